// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

struct HardwareChangeTests {
    let folder: TemporaryFolder
    let host: MachineHost

    init() throws {
        folder = try TemporaryFolder()
        try Data("a kernel".utf8).write(to: URL(fileURLWithPath: folder.appending("kernel").string))
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1),
            boot: .init(kernel: folder.appending("kernel").string, arguments: "a=1"),
            disks: [
                .init(name: "system", size: .mebibytes(1)), .init(name: "data", size: .mebibytes(1), format: .vhdx),
            ])
        host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: SimulatedHypervisor())
    }

    /// The disks that the hypervisor has been given.
    private var given: String? {
        get async { await host.running?.process.traits.devices }
    }

    private func contents() throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path.string) {
            contents[name] = try? Data(contentsOf: URL(fileURLWithPath: folder.appending(name).string))
        }
        return contents
    }

    private func output(of line: String) async throws -> String {
        let result = try await host.run(.shell(line))
        return String(decoding: result.standardOutput, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func `everything that is changed is there, and a restore brings back all of it`() async throws {
        let before = await host.files.now
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean")).id
        try Data("another kernel".utf8).write(to: URL(fileURLWithPath: folder.appending("kernel").string))
        try await host.change(
            HardwareChange(
                memory: .mebibytes(2), processors: 3, kernel: folder.appending("kernel"),
                initrd: folder.appending("kernel"), arguments: "b=2", notes: "why", detach: ["system"],
                attach: [.init(name: "more", content: .empty(.mebibytes(3), .vhd))]))
        let after = try MachineRecord(reading: host.folder).now
        #expect(after == (await host.files.now))
        #expect(after.memory == 2 << 20 && after.processors == 3 && after.notes == "why")
        #expect(after.boot?.arguments == "b=2" && after.boot?.initrd == after.boot?.kernel)
        #expect(after.boot?.kernel != before.boot?.kernel)
        #expect(after.disks.map(\.name) == ["data", "more"])
        #expect(after.disks.last?.path == host.folder.path.appending("web-more.vhd").string)
        try await host.start()
        #expect(await given == "data,more")
        #expect(await host.running?.process.traits.memory == 2 << 20)
        try await host.turnOff()

        _ = try await host.apply(clean)
        let now = try MachineRecord(reading: host.folder).now
        #expect(now.memory == before.memory && now.processors == before.processors && now.boot == before.boot)
        #expect(now.disks.map(\.name) == ["system", "data"])
        try await host.start()
        #expect(await given == "system,data")
        try await host.turnOff()
    }

    @Test func `a running checkpoint brings its hardware back, and the changed one its own`() async throws {
        try await host.start()
        _ = try await output(of: "set word small; write 0 hello")
        let small = try await host.checkpoint(CheckpointRequest(name: "small")).id
        try await host.turnOff()
        try await host.change(
            HardwareChange(memory: .mebibytes(2), attach: [.init(name: "more", content: .empty(.mebibytes(1), .vhdx))]))
        try await host.start()
        _ = try await output(of: "set word large")
        let large = try await host.checkpoint(CheckpointRequest(name: "large")).id
        for (id, word, disks, memory) in [
            (small, "small", "system,data", UInt64(1 << 20)), (large, "large", "system,data,more", 2 << 20),
            (small, "small", "system,data", 1 << 20),
        ] {
            #expect(try await host.apply(id).way == .freshProcess)
            #expect(try await output(of: "get word") == word)
            #expect(try await output(of: "read 0 5") == "hello")
            #expect(await given == disks)
            #expect(await host.running?.process.traits.memory == memory)
        }
        try await host.turnOff()
    }

    @Test func `a detached disk stays as a file, and can be attached again`() async throws {
        let path = try #require(await host.files.now.disks.last?.path)
        try await host.change(HardwareChange(detach: ["data"]))
        #expect(FileSystem.exists(FilePath(path)))
        try await host.change(HardwareChange(attach: [.init(name: "old", content: .file("web-data.vhdx"))]))
        let disks = await host.files.now.disks
        #expect(disks.map(\.name) == ["system", "old"] && disks.last?.path == path)
        // A new disk of a name whose file is taken gets a file of its own.
        try await host.change(HardwareChange(attach: [.init(name: "data", content: .empty(.mebibytes(1), .vhdx))]))
        #expect(await host.files.now.disks.last?.path == host.folder.path.appending("web-data-2.vhdx").string)
    }

    @Test func `what is written to a disk that is detached after a checkpoint goes with it`() async throws {
        _ = try await host.checkpoint(CheckpointRequest(name: "clean"))
        let children = await host.files.now.disks
        try await host.change(HardwareChange(detach: ["data"]))
        #expect(FileSystem.exists(FilePath(children[0].path)) && !FileSystem.exists(FilePath(children[1].path)))
        _ = try await host.revert()
        #expect(await host.files.now.disks.map(\.name) == ["system", "data"])
    }

    /// The disks' files in the machine's own folder.
    private func disks() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: host.folder.path.string).sorted().filter {
            $0.hasSuffix(".vhd") || $0.hasSuffix(".vhdx")
        }
    }

    @Test func `what a crash around a commit leaves of a new or a discarded disk goes, unless it is needed`()
        async throws
    {
        let folder = host.folder
        await host.close()
        // As it is before the commit: made, and its name already there.
        let (new, second) = (
            folder.path.appending("web-more.vhd"), folder.mark(of: folder.path.appending("web-more.vhd"))
        )
        try DiskFormat.vhd.create(at: second, size: 1 << 20)
        try FileSystem.link(second, as: new)
        // And as it is while a disk is discarded that something needs all the same, and one is half made.
        let data = folder.path.appending("web-data.vhdx")
        try FileSystem.link(data, as: folder.mark(of: data))
        try FileSystem.write([1], to: folder.mark(of: folder.path.appending("web-half.vhd")))
        // Another file that has got such a name is somebody's own.
        let own = folder.path.appending("web-own.vhd")
        try FileSystem.write([2], to: folder.mark(of: own))
        try FileSystem.write([2], to: own)
        await (try MachineHost(of: folder, hypervisor: SimulatedHypervisor())).close()
        let left = try FileSystem.entries(of: folder.path).filter { $0.contains(".vhd") }.sorted()
        #expect(left == ["web-data.vhdx", "web-own.vhd", "web.vhd"])
    }

    @Test func `a disk that was made goes when nothing needs it, and one that was brought along stays`() async throws {
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean")).id
        let own = host.folder.path.appending("web-own-disk.vhd").string
        try FileManager.default.copyItem(atPath: host.folder.path.appending("web.vhd").string, toPath: own)
        let attach = HardwareChange(attach: [
            .init(name: "more", content: .empty(.mebibytes(1), .vhd)),
            .init(name: "own", content: .file("web-own-disk.vhd")),
        ])
        let (without, with) = (
            ["web-data.vhdx", "web-own-disk.vhd", "web.vhd"],
            ["web-data.vhdx", "web-more.vhd", "web-own-disk.vhd", "web.vhd"]
        )
        // Applied away before any checkpoint had it.
        try await host.change(attach)
        #expect(try disks() == with)
        _ = try await host.apply(clean)
        #expect(try disks() == without)
        // Held by a checkpoint, until that is deleted.
        try await host.change(attach)
        let more = try await host.checkpoint(CheckpointRequest(name: "more")).id
        _ = try await host.apply(clean)
        #expect(try disks() == with)
        try await host.delete([more])
        #expect(try disks() == without)
        // Detached: it stays, unless it is to be discarded.
        try await host.change(attach)
        try await host.change(HardwareChange(detach: ["more", "own"]))
        #expect(try disks() == with)
        try await host.change(HardwareChange(attach: [.init(name: "more", content: .file("web-more.vhd"))]))
        try await host.change(HardwareChange(detach: ["more"], discardsDetached: true))
        #expect(try disks() == without)
        // What a checkpoint holds stays, however it was detached.
        try await host.change(HardwareChange(detach: ["system", "data"], discardsDetached: true))
        #expect(try disks() == without)
        _ = try await host.apply(clean)
        #expect(await host.files.now.disks.map(\.name) == ["system", "data"])
    }

    static let refused: [(HardwareChange, String)] = [
        (HardwareChange(memory: ByteSize(bytes: 1000)), "its memory would be 1000 B, which is not a multiple of 1 MiB"),
        (HardwareChange(memory: ByteSize(bytes: 0)), "its memory would be 0 B"),
        (HardwareChange(processors: 0), "it would have 0 processors; give it 1 to 255"),
        (HardwareChange(processors: 256), "it would have 256 processors"),
        (HardwareChange(arguments: "a\u{1}"), "leave control characters"),
        (HardwareChange(notes: "a\u{1}"), "leave control characters"),
        (HardwareChange(kernel: "/nowhere/kernel"), "/nowhere/kernel"),
        (HardwareChange(detach: ["dat"]), "machine 'web' has no disk 'dat'; did you mean 'data'?"),
        (HardwareChange(detach: ["data", "data"]), "machine 'web' has no disk 'data'"),
        (
            HardwareChange(attach: [.init(name: "data", content: .empty(.mebibytes(1), .vhd))]),
            "machine 'web' has a disk 'data' already"
        ),
        (
            HardwareChange(attach: [.init(name: "../x", content: .empty(.mebibytes(1), .vhd))]),
            "the name of disk '../x' must begin with a letter or digit"
        ),
        (
            HardwareChange(attach: (0..<26).map { .init(name: "d\($0)", content: .empty(.mebibytes(1), .vhd)) }),
            "it would have more than 27 disks"
        ),
        (HardwareChange(attach: [.init(name: "x", content: .empty(ByteSize(bytes: 100), .vhd))]), "100"),
        (
            HardwareChange(attach: [
                .init(name: "x", content: .empty(.mebibytes(1), .vhd)), .init(name: "y", content: .file("none.vhd")),
            ]), "there is no disk 'none.vhd' in"
        ),
        (HardwareChange(attach: [.init(name: "y", content: .file("../../kernel"))]), "there is no disk '../../kernel'"),
        (
            HardwareChange(attach: [.init(name: "y", content: .file("web.vhd"))]),
            "'web.vhd' is a disk of a machine or of a checkpoint already"
        ),
    ]

    @Test(arguments: refused)
    func `a wrong change is refused, and changes nothing`(_ change: HardwareChange, sentence: String) async throws {
        var before = try contents()
        let error = await #expect(throws: EngineError.self) { try await host.change(change) }
        #expect(error?.description.contains(sentence) == true, "\(String(describing: error))")
        var after = try contents()
        // Boot files are kept by content: one more of them changes no machine.
        for name in Set(before.keys).union(after.keys) where name.hasPrefix("lab/Boot/") {
            (before[name], after[name]) = (nil, nil)
        }
        #expect(before == after)
    }

    @Test func `hardware changes only while the machine is off, and notes always`() async throws {
        try await host.start()
        let before = try contents()
        let error = await #expect(throws: EngineError.self) { try await host.change(HardwareChange(processors: 2)) }
        #expect(
            error?.description
                == "machine 'web' is running, and its hardware changes only while it is off; shut it down first")
        #expect(try contents() == before)
        try await host.change(HardwareChange(notes: "it runs"))
        #expect(try MachineRecord(reading: host.folder).now.notes == "it runs")
        try await host.change(HardwareChange(notes: ""))
        #expect(try MachineRecord(reading: host.folder).now.notes == nil)
        try await host.turnOff()
    }
}
