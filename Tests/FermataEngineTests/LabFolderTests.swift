// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// Machines come, give way to others and are held by one host at a time.
struct LabFolderTests {
    let folder: TemporaryFolder
    let lab: LabFolder
    static let definition = MachineDefinition(
        name: "web", memory: .mebibytes(1), boot: .init(kernel: "kernel"),
        disks: [.init(name: "system", size: .mebibytes(1))])

    init() throws {
        folder = try TemporaryFolder()
        lab = try LabFolder.create(folder.path.appending("lab"))
        try folder.write(Array("a kernel".utf8), to: "kernel")
    }

    private func create(
        replacing old: GUID? = nil, expecting: [String]? = nil
    ) throws(EngineError) -> MachineFolder {
        try lab.createMachine(
            Self.definition, replacing: old, file: { folder.appending($0) }, expecting: expecting)
    }

    private func host(
        of machine: MachineFolder, _ way: HostSettings.RestoreWay = .freshProcess
    ) throws(EngineError) -> MachineHost {
        try MachineHost(of: machine, hypervisor: SimulatedHypervisor(), settings: HostSettings(restoreWay: way))
    }

    private func contents() throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: lab.path.string) {
            contents[name] = FileManager.default.contents(atPath: lab.path.appending(name).string) ?? Data()
        }
        return contents
    }

    @Test func `a machine that gives way is gone with all that only it needed`() async throws {
        let old = try create()
        let host = try host(of: old)
        try await host.start()
        let checkpoint = try await host.checkpoint(CheckpointRequest(name: "clean"))
        _ = try await host.apply(checkpoint.id)
        await host.close()
        let id = try old.identity()
        #expect(FileSystem.exists(lab.flatImage(checkpoint.id)))
        #expect(FileSystem.exists(lab.consoleLog(id)))
        let new = try create(replacing: id)
        #expect(try new.identity() != id)
        #expect(try MachineRecord(reading: new).checkpoints.isEmpty)
        let left = try contents().keys.filter { $0.contains("\(id)") || $0.contains("\(checkpoint.id)") }
        #expect(left == [])
        #expect(try FileSystem.entries(of: lab.path).filter { $0.hasSuffix(".new") } == [])
    }

    @Test func `a machine gives way only to who means it, and only to one that is whole`() async throws {
        let old = try create()
        let before = try contents()
        func refused(_ code: EngineError.Code, _ body: () throws -> Void) throws {
            let error = #expect(throws: EngineError.self, performing: body)
            #expect(error?.code == code)
            #expect(try contents() == before)
        }
        let id = try old.identity()
        try refused(.exists) { _ = try create() }
        try refused(.stale) { _ = try create(replacing: GUID.random()) }
        try refused(.stale) { _ = try create(replacing: id, expecting: ["another kernel's digest"]) }
        let kernel = try folder.bytes(of: "kernel")
        let digest = try #require(MachineRecord(reading: old).now.boot?.kernel)
        try folder.write(Array("another kernel".utf8), to: "kernel")
        try refused(.stale) { _ = try create(replacing: id, expecting: [digest]) }
        try FileSystem.remove(folder.appending("kernel"))
        try refused(.system) { _ = try create(replacing: id) }
        try folder.write(kernel, to: "kernel")
        let lock = try FolderLock(old.path, of: "the test")
        try refused(.busy) { _ = try create(replacing: id) }
        lock.release()
        _ = try create(replacing: id)
    }

    @Test func `what a crash left of making and removing machines goes with the next writer`() throws {
        let unfinished = lab.path.appending(".web.\(GUID.random()).new")
        for folder in [unfinished, lab.trash.appending("web.\(GUID.random()).removed")] {
            try FileSystem.create(folder.appending("Snapshots"))
        }
        try FileSystem.create(lab.path.appending(".db.\(GUID.random()).new"))
        let checkpoint = GUID.random()
        try FileSystem.write([], to: unfinished.appending("Snapshots/\(checkpoint).xml"))
        let files = [
            lab.boot.appending(".\(GUID.random()).new"), lab.path.appending(".store.json.new"),
            lab.flatImage(checkpoint), lab.cache.appending(".\(checkpoint).flat.\(GUID.random()).new"),
        ]
        for file in files { try FileSystem.write([1], to: file) }
        _ = try create()
        #expect(try FileSystem.entries(of: lab.path).filter { $0.hasSuffix(".new") } == [])
        #expect(try FileSystem.entries(of: lab.trash) == [])
        #expect(files.filter(FileSystem.exists) == [])
    }

    @Test func `a lab whose making was cut off can be made, and other folders stay none`() throws {
        let cut = LabFolder(folder.path.appending("cut"))
        try FileSystem.create(cut.boot)
        try FileSystem.create(cut.labCheckpoints)
        _ = try LabFolder.create(cut.path)
        #expect(try LabFolder.open(cut.path).machines().isEmpty)
        let other = LabFolder(folder.path.appending("other"))
        try FileSystem.create(other.boot)
        try FileSystem.write([], to: other.boot.appending("grub.cfg"))
        #expect(throws: EngineError.self) { try LabFolder.create(other.path) }
        #expect(try FileSystem.entries(of: other.path) == ["Boot"])
    }

    @Test func `a machine in use keeps its name, and a rename that was killed is finished`() async throws {
        let machine = try create()
        let host = try host(of: machine)
        let before = try contents()
        let busy = #expect(throws: EngineError.self) { try lab.renameMachine("web", to: "site") }
        #expect(busy?.code == .busy)
        await host.close()
        let missing = #expect(throws: EngineError.self) { try lab.renameMachine("wbe", to: "site") }
        #expect(missing?.code == .notFound)
        #expect(try contents() == before)
        // What a crash right after the commit leaves: the folder has the name, the configuration not yet.
        try FileSystem.move(machine.path, to: lab.path.appending("site"))
        let renamed = lab.machine("site")
        #expect(try MachineRecord(reading: renamed).now.name == "web")
        await (try self.host(of: renamed)).close()
        #expect(try MachineRecord(reading: renamed).now.name == "site")
        try lab.renameMachine("site", to: "web")
        #expect(try MachineRecord(reading: lab.machine("web")).now.name == "web")
    }

    @Test func `a lock is that of the folder which has the name`() async throws {
        let machine = try create()
        let other = lab.path.appending("other")
        try FileSystem.create(other)
        for _ in 0..<20 {
            let held = try FolderLock(machine.path, of: "the one before")
            let isThere = DispatchSemaphore(value: 0)
            let waiting = Task.detached {
                isThere.signal()
                return try FolderLock(machine.path, of: "the waiting one")
            }
            await withCheckedContinuation { done in
                DispatchQueue.global().async {
                    isThere.wait()
                    done.resume()
                }
            }
            try FileSystem.exchange(other, with: machine.path)
            held.release()
            // Who had to wait for too long has no lock, and is none to look at.
            guard let lock = try? await waiting.value else { continue }
            let error = #expect(throws: EngineError.self) { try FolderLock(machine.path, of: "another one") }
            #expect(error?.code == .busy)
            lock.release()
        }
        let last = try FolderLock(machine.path, of: "the last one")
        #expect(last.isHeld)
    }

    @Test func `a host that is closed lets go at once and does nothing more`() async throws {
        let machine = try create()
        let first = try host(of: machine)
        try await first.start()
        #expect(throws: EngineError.self) { try host(of: machine) }
        await first.close()
        #expect(await first.state == .off)
        let second = try host(of: machine)
        let error = await #expect(throws: EngineError.self) { try await first.start() }
        #expect(error?.code == .wrongState)
        await #expect(throws: EngineError.self) { try await first.checkpoint(CheckpointRequest(name: "late")) }
        await first.close()
        try await second.start()
        await second.close()
    }

    @Test func `a flat image that anybody wrote to is made again`() async throws {
        let host = try host(of: try create())
        try await host.start()
        _ = try await host.run(.shell("set word before"))
        let id = try await host.checkpoint(CheckpointRequest(name: "clean")).id
        _ = try await host.apply(id)
        let flat = lab.flatImage(id)
        let whole = try #require(FileManager.default.contents(atPath: flat.string))
        let untouched = try PageFile(reading: flat).stamp()
        _ = try await host.apply(id)
        #expect(try PageFile(reading: flat).stamp() == untouched)
        try FileSystem.write([UInt8](repeating: 65, count: 5000), to: lab.cache.appending("\(id).flat.made"))
        for damage in [Data(whole.map { $0 ^ 0x20 }), Data(whole.dropLast(4096)), Data()] {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: flat.string))
            try handle.write(contentsOf: damage)
            try handle.truncate(atOffset: UInt64(damage.count))
            try handle.close()
            _ = try await host.apply(id)
            #expect(FileManager.default.contents(atPath: flat.string) == whole)
            let word = try await host.run(.shell("get word")).standardOutput
            #expect(String(decoding: word, as: UTF8.self).hasPrefix("before"))
        }
        await host.close()
    }
}
