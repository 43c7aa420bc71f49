// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// Checkpoints leave a lab as folders that need nothing outside, and come back as machines.
struct ExportTests {
    private let folder: TemporaryFolder
    private let base: DoctoredLab

    init() async throws {
        folder = try TemporaryFolder()
        base = try await DoctoredLab(in: folder.path.appending("base"))
    }

    private func export(
        _ id: GUID, to name: String, flattened: Bool = false, withMemory: Bool = false
    ) async throws -> FilePath {
        let place = folder.path.appending(name)
        try await base.withHost { host in
            try await host.export(id, to: place, flattened: flattened, withMemory: withMemory)
        }
        return place
    }

    /// What the disks of a configuration read as.
    private func content(_ configuration: Configuration, in machine: MachineFolder) throws -> [Data] {
        try configuration.disks.map { disk in
            let path = try DiskFiles.path(of: disk, machine: configuration.machine, in: machine)
            let chain = try DiskFiles.open(path, in: machine, .readOnly)
            #expect(chain.warnings.isEmpty, "\(chain.warnings)")
            return Data(try chain.bytes(at: 0, count: Int(chain.size)))
        }
    }

    private func expectHealthy(_ lab: FilePath) throws {
        let findings = try Examination(of: lab).findings
        #expect(findings.isEmpty, "\(findings)")
    }

    private func expectOwn(_ place: FilePath) throws {
        // Neither a name of the lab nor the way to it.
        for path in try FileManager.default.subpathsOfDirectory(atPath: place.string) where path.contains(".avhd") {
            let link = try DiskInfo.inspect(place.pushing(FilePath(path)), beneath: place).links.first?.recorded
            let isOwn = link.map { $0.absolutePaths.isEmpty && !$0.relativePaths.isEmpty }
            #expect(isOwn == true, "\(path)")
        }
    }

    /// The names of a machine's checkpoints with those of their parents, and what each holds.
    private func tree(_ machine: MachineFolder) throws -> [String: [Data]] {
        let record = try MachineRecord(reading: machine)
        var held = ["now": try content(record.now, in: machine)]
        for checkpoint in record.tree.checkpoints {
            let parent = checkpoint.parent.flatMap { record.tree[$0]?.name.description } ?? "nothing"
            let configuration = try #require(record.checkpoints[checkpoint.id])
            held["\(checkpoint.name) from \(parent), memory \(checkpoint.hasMemory)"] = try content(
                configuration, in: machine)
        }
        return held
    }

    @Test(arguments: [true, false])
    func `a whole machine comes back with its tree, elsewhere and beside the original`(withMemory: Bool) async throws {
        let place = folder.path.appending("out")
        try await base.withHost { host in try await host.export(nil, to: place, withMemory: withMemory) }
        try expectOwn(place)
        var expected = try tree(base.web)
        if !withMemory {
            expected = Dictionary(
                uniqueKeysWithValues: expected.map { ($0.replacing("memory true", with: "memory false"), $1) })
        }
        let other = try LabFolder.create(folder.path.appending("other"))
        for lab in [other, base.lab] {
            let machine = try lab.importMachine(from: place, as: "copy")
            #expect(try tree(machine) == expected)
            try expectHealthy(lab.path)
            let record = try MachineRecord(reading: machine)
            #expect((record.id == base.id) == (lab == other))
            #expect((record.checkpoints[base.hot] != nil) == (lab == other))
            #expect(record.stateAtRest == (withMemory ? .saved : .off))
            let host = try MachineHost(of: machine, hypervisor: SimulatedHypervisor())
            guard withMemory else {
                await host.close()
                continue
            }
            try await host.start()
            #expect(try await word(host) == "third")
            _ = try await host.apply(record.checkpoint("last").id)
            #expect(try await word(host) == "second")
            _ = try await host.apply(record.checkpoint("hot").id)
            #expect(try await host.run(.shell("get word")).exitCode == 0)
            try await host.delete([record.checkpoint("root").id])
            try await host.mergeDisks()
            await host.close()
            try expectHealthy(lab.path)
        }
        #expect(try tree(base.web).count == expected.count)
    }

    private func word(_ host: MachineHost) async throws -> String {
        let output = try await host.run(.shell("get word")).standardOutput
        return String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func `a machine with power is not exported whole, nor flattened`() async throws {
        let place = folder.path.appending("out")
        try await base.withHost { host in
            await #expect(throws: EngineError.self) { try await host.export(nil, to: place, flattened: true) }
            try await host.start()
            await #expect(throws: EngineError.self) { try await host.export(nil, to: place) }
        }
        #expect(!FileSystem.exists(place))
    }

    @Test(arguments: [false, true])
    func `a checkpoint with memory goes on in another lab, and in its own beside the original`(
        flattened: Bool
    ) async throws {
        let record = try MachineRecord(reading: base.web)
        let hot = try #require(record.checkpoints[base.hot])
        let expected = try content(hot, in: base.web)
        let before = try FileManager.default.subpathsOfDirectory(atPath: base.lab.path.string).sorted()
        let place = try await export(base.hot, to: "out", flattened: flattened, withMemory: true)
        #expect(try FileManager.default.subpathsOfDirectory(atPath: base.lab.path.string).sorted() == before)
        try expectOwn(place)
        let disks = try FileManager.default.subpathsOfDirectory(atPath: place.string).filter { $0.contains(".avhd") }
        #expect(disks.isEmpty == flattened)

        let other = try LabFolder.create(folder.path.appending("other"))
        let machine = try other.importMachine(from: place)
        #expect(try machine.identity() == base.id && machine.name == "web")
        let made = try MachineRecord(reading: machine)
        #expect(made.stateAtRest == .saved && made.checkpoints.isEmpty)
        #expect(try content(made.now, in: machine) == expected)
        let host = try MachineHost(of: machine, hypervisor: SimulatedHypervisor())
        try await host.start()
        let result = try await host.run(.shell("read 512 8"))
        #expect(String(decoding: result.standardOutput, as: UTF8.self).hasPrefix("first"))
        await host.close()
        // What the memory knew by its name could not be merged before.
        await (try MachineHost(of: machine, hypervisor: SimulatedHypervisor())).close()
        try expectHealthy(other.path)

        // Its own lab has a machine of that identity and that name.
        #expect(throws: EngineError.self) { try base.lab.importMachine(from: place) }
        let second = try base.lab.importMachine(from: place, as: "second")
        #expect(try second.identity() != base.id)
        let beside = try MachineHost(of: second, hypervisor: SimulatedHypervisor())
        try await beside.start()
        await beside.close()
        await (try MachineHost(of: second, hypervisor: SimulatedHypervisor())).close()
        #expect(try content(hot, in: base.web) == expected)
        try expectHealthy(base.lab.path)
    }

    @Test func `a flattened disk is read by 7-Zip as the checkpoint's`() async throws {
        try #require(Tool("7zz").isInstalled)
        let record = try MachineRecord(reading: base.web)
        let expected = try content(try #require(record.checkpoints[base.hot]), in: base.web)
        let place = try await export(base.hot, to: "out", flattened: true)
        for (file, type, content) in [("web.vhd", "vhd", expected[0]), ("web-data.vhdx", "vhdx", expected[1])] {
            let output = folder.path.appending("7z-\(type)")
            let result = try await Tool("7zz").run([
                "e", "-t\(type)", "-o\(output)", "-y", place.appending(file).string,
            ])
            #expect(result.code == 0, "\(result)")
            let name = try #require(FileManager.default.contentsOfDirectory(atPath: output.string).first)
            #expect(FileManager.default.contents(atPath: output.appending(name).string) == content)
        }
    }

    @Test func `a folder that another program wrote becomes a machine`() async throws {
        // As Hyper-V lays it out: its own paths, its own names, nothing of ours.
        let place = folder.path.appending("foreign")
        let id = GUID.random()
        for path in ["Virtual Machines", "Snapshots/\(id)", "Virtual Hard Disks"] {
            try FileSystem.create(place.pushing(FilePath(path)))
        }
        let parent = place.pushing("Virtual Hard Disks/Server 1.vhd")
        let child = place.pushing(FilePath("Snapshots/\(id)/Server_\(GUID.random()).avhd"))
        try DiskFormat.vhd.create(at: parent, size: 2 << 20)
        var chain = try DiskChain.open(parent, beneath: place, access: .readWrite)
        try chain.write([UInt8](repeating: 5, count: 4096), at: 8192)
        try chain.close()
        try DiskFormat.vhd.createChild(at: child, of: parent)
        chain = try DiskChain.open(child, beneath: place, access: .readWrite)
        try chain.write([UInt8](repeating: 6, count: 512), at: 0)
        try chain.close()
        let xml = """
            <?xml version="1.0" encoding="utf-8"?>
            <configuration>
              <properties>
                <creation_time type="bytes">AECkBb7DyAE=</creation_time>
                <global_id type="string">\(id)</global_id>
                <name type="string">Server-1</name>
                <version type="integer">260</version>
              </properties>
              <settings>
                <memory><bank><size type="integer">512</size></bank></memory>
                <processors><count type="integer">2</count></processors>
              </settings>
              <_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
                <controller0>
                  <drive0>
                    <pathname type="string">C:\\VMs\\Snapshots\\\(id)\\\(child.lastComponent?.string ?? "")</pathname>
                    <type type="string">VHD</type>
                  </drive0>
                </controller0>
              </_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
            </configuration>
            """
        try FileSystem.write(Array(xml.utf8), to: place.pushing(FilePath("Virtual Machines/\(id).xml")))
        let machine = try base.lab.importMachine(from: place)
        let record = try MachineRecord(reading: machine)
        #expect(machine.name == "Server-1" && record.id == id && record.now.processors == 2)
        #expect(record.now.memory == 512 << 20 && record.stateAtRest == .off)
        let bytes = try content(record.now, in: machine)[0]
        #expect(bytes[0] == 6 && bytes[8192] == 5 && bytes[512] == 0)
        #expect(try record.diskFiles(of: record.now)[0].chain.count == 2)
        let host = try MachineHost(of: machine, hypervisor: SimulatedHypervisor())
        _ = try await host.checkpoint(CheckpointRequest(name: "first"))
        try await host.start()
        await host.close()
        try expectHealthy(base.lab.path)
    }

    @Test func `a disk's image becomes a machine that starts from it`() throws {
        let raw = folder.path.appending("image.img")
        try FileSystem.write([UInt8](repeating: 9, count: 1024) + [UInt8](repeating: 0, count: 1 << 20), to: raw)
        let machine = try base.lab.importMachine(from: raw)
        let record = try MachineRecord(reading: machine)
        #expect(machine.name == "image" && record.now.boot == nil && record.now.disks.map(\.name) == ["system"])
        #expect(try content(record.now, in: machine)[0].prefix(1024).allSatisfy { $0 == 9 })
        _ = try base.lab.importMachine(from: base.web.path.appending("web.vhd"), as: "base")
        try expectHealthy(base.lab.path)
    }

    @Test func `what does not fit is refused in one sentence, and nothing is made`() async throws {
        let place = try await export(base.hot, to: "out", withMemory: true)
        let other = folder.path.appending("other")
        let lab = try LabFolder.create(other)
        let before = try FileManager.default.subpathsOfDirectory(atPath: other.string).sorted()
        let disks = try FileManager.default.subpathsOfDirectory(atPath: place.string).sorted()
        func refuse(_ part: String, _ damage: (FilePath) throws -> Void) throws {
            let copy = folder.path.appending("copy")
            try FileManager.default.copyItem(atPath: place.string, toPath: copy.string)
            defer { try? FileManager.default.removeItem(atPath: copy.string) }
            try damage(copy)
            let error = #expect(throws: EngineError.self) { try lab.importMachine(from: copy) }
            #expect(error?.description.contains(part) == true, "\(part): \(error?.description ?? "")")
            #expect(try FileManager.default.subpathsOfDirectory(atPath: other.string).sorted() == before, "\(part)")
        }
        func file(_ suffix: String) -> FilePath {
            FilePath(disks.first { $0.hasSuffix(suffix) } ?? "")
        }
        try refuse("expected one configuration") { try base.remove($0.pushing(file(".xml"))) }
        try refuse("the parent is missing") { try base.remove($0.appending("web.vhd")) }
        try refuse("expected one file") { try base.remove($0.pushing(file(".avhd"))) }
        try refuse("checksum fits") { try base.flip($0.pushing(file(".bin")), at: 5000) }
        try refuse("a checksum that fits") { try base.flip($0.pushing(file(".vsv")), at: 400) }
        try refuse("expected the boot file") { try base.remove($0.appending("Boot")) }
        try refuse("changed while") {
            let boot = $0.appending("Boot")
            for name in try FileSystem.entries(of: boot) { try base.write("other", boot.appending(name)) }
        }
        #expect(throws: EngineError.self) { try lab.importMachine(from: folder.path.appending("nowhere")) }
        #expect(throws: EngineError.self) { try lab.importMachine(from: place, as: "a/b") }
        for (target, id) in [(place, base.hot), (base.lab.path.appending("new"), base.hot)] {
            await #expect(throws: EngineError.self) {
                try await base.withHost { try await $0.export(id, to: target) }
            }
        }
        await #expect(throws: EngineError.self) {
            try await base.withHost { try await $0.export(base.root, to: other.appending("x"), withMemory: true) }
        }
        #expect(try FileManager.default.subpathsOfDirectory(atPath: other.string).sorted() == before)
    }
}
