// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

@Suite struct ForkTests {
    /// `web` with a checkpoint of every state, all with the word `held` in memory; the disks of each by its name.
    private func filled() async throws -> (ForkLab, web: MachineHost, ids: [MachineState: GUID], disks: [Data]) {
        let lab = try ForkLab()
        let web = try lab.open("web")
        try await lab.change(web)
        let disks = try lab.disks(of: "web")
        var ids = [MachineState.off: try await lab.hold(web, "off")]
        try await web.start()
        _ = try await web.output("set word held")
        ids[.running] = try await lab.hold(web, "running")
        try await web.pause()
        ids[.paused] = try await lab.hold(web, "paused")
        try await web.save()
        ids[.saved] = try await lab.hold(web, "saved")
        return (lab, web, ids, disks)
    }

    @Test(arguments: [MachineState.running, .paused, .saved])
    func `a fork runs on from the checkpoint's memory and disks`(state: MachineState) async throws {
        let (lab, web, ids, disks) = try await filled()
        let source = try #require(ids[state])
        let before = try lab.disks(of: "web")
        let id = try await web.fork(source, as: "fork")
        let record = try MachineRecord(reading: lab.lab.machine("fork"))
        let known = await web.files
        #expect(record.id == id && id != known.id)
        #expect(record.stateAtRest == .saved && record.now.name == "fork")
        #expect(record.checkpoints.isEmpty && record.now.ancestors.isEmpty && record.now.owner == nil)
        // A guest that goes on has seen its address.
        #expect(record.now.devices == known.now.devices)
        #expect(try lab.disks(of: "fork") == disks)
        try await lab.with("fork") { fork in
            try await fork.start()
            #expect(await fork.state == .running)
            #expect(try await fork.output("get word") == "held")
            _ = try await fork.output("set word mine;write 0:0 mine;write 1:512 mine")
            // What it holds itself is its own.
            let own = try await lab.hold(fork, "own")
            _ = try await fork.output("set word lost;write 0:0 lost")
            _ = try await fork.apply(own)
            #expect(try await fork.output("get word;read 0:0 4;read 1:512 4") == "mine\nminemine")
            try await fork.save()
            try await fork.start()
            #expect(try await fork.output("get word") == "mine")
        }
        #expect(try lab.disks(of: "web") == before)
        #expect(try lab.disks(of: "fork") != disks)
        await web.close()
    }

    @Test func `a fork without memory is off, and its guest has not seen its address`() async throws {
        let (lab, web, ids, disks) = try await filled()
        _ = try await web.fork(#require(ids[.off]), as: "cold")
        _ = try await web.fork(#require(ids[.running]), as: "cut", withMemory: false)
        let seen = await web.files.now.devices.networkAddress
        for name in ["cold", "cut"] as [MachineName] {
            let record = try MachineRecord(reading: lab.lab.machine(name))
            #expect(record.stateAtRest == .off)
            #expect(try lab.disks(of: name) == disks)
            let address = try #require(record.now.devices.networkAddress)
            #expect(address != seen)
            try await lab.expectOutside(name, reads: disks[0])
            try await lab.with(name) { fork in
                try await fork.start()
                #expect(try await fork.output("get word") == "(unset)")
            }
        }
        await web.close()
    }

    @Test func `what cannot be forked is refused, and nothing is changed`() async throws {
        let (lab, web, ids, _) = try await filled()
        func names() throws -> Set<String> {
            Set(try FileManager.default.subpathsOfDirectory(atPath: lab.lab.path.string))
        }
        _ = try await web.fork(#require(ids[.running]), as: "fork")
        let before = try names()
        func refused(_ code: EngineError.Code, _ checkpoint: GUID?, _ name: MachineName) async throws {
            let error = await #expect(throws: EngineError.self) {
                _ = try await web.fork(checkpoint ?? .random(), as: name)
            }
            #expect(error?.code == code)
            #expect(try names() == before)
        }
        try await refused(.notFound, nil, "other")
        try await refused(.exists, ids[.off], "fork")
        try await refused(.exists, ids[.off], "web")
        try await refused(.wrongState, ids[.off], "a/b")
        try await refused(.wrongState, ids[.off], "Boot")
        let lock = try FolderLock(lab.lab.path, of: "the test")
        try await refused(.busy, ids[.off], "other")
        lock.release()
        // Memory that is another moment's is not taken, by a fork as by a restore.
        let (one, other) = (try #require(ids[.running]), try #require(ids[.paused]))
        let state = web.folder.deviceState(one)
        let bytes = try FileSystem.read(state, limit: 1 << 24)
        try FileSystem.remove(state)
        try FileSystem.write(try FileSystem.read(web.folder.deviceState(other), limit: 1 << 24), to: state)
        try await refused(.incompatible, one, "other")
        try FileSystem.remove(state)
        try FileSystem.write(bytes, to: state)
        _ = try await web.fork(one, as: "other")
        await web.close()
    }

    @Test func `memory of another machine is not a fork's own`() async throws {
        let (lab, web, ids, _) = try await filled()
        for name in ["one", "two"] as [MachineName] { _ = try await web.fork(#require(ids[.running]), as: name) }
        await web.close()
        let folders = try ["one", "two"].map { name in
            let folder = lab.lab.machine(MachineName(name))
            return folder.savedMemory(of: try folder.identity())
        }
        try FileSystem.remove(folders[0].devices)
        try FileSystem.write(try FileSystem.read(folders[1].devices, limit: 1 << 24), to: folders[0].devices)
        try await lab.with("one") { fork in
            let error = await #expect(throws: EngineError.self) { try await fork.start() }
            #expect(error?.code == .incompatible)
            #expect(await fork.state == .saved)
        }
        try await lab.with("two") { try await $0.start() }
    }

    @Test func `several forks run at once, and share what they do not change`() async throws {
        let (lab, web, ids, disks) = try await filled()
        var forks: [MachineHost] = []
        for number in 0..<4 {
            let name = MachineName("fork\(number)")
            _ = try await web.fork(#require(ids[.running]), as: name)
            forks.append(try lab.open(name))
        }
        let images = Set(try FileSystem.entries(of: lab.lab.cache).filter { $0.hasSuffix(".flat") })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, fork) in forks.enumerated() {
                group.addTask {
                    try await fork.start()
                    _ = try await fork.output("set number \(number);write 0:\(number * 512) number\(number)")
                    _ = try await fork.checkpoint(CheckpointRequest(name: "mine"))
                    _ = try await fork.output("set number lost;write 0:\(number * 512) lost")
                    _ = try await fork.revert()
                }
            }
            try await group.waitForAll()
        }
        #expect(Set(try FileSystem.entries(of: lab.lab.cache).filter { $0.hasSuffix(".flat") }).count >= images.count)
        for (number, fork) in forks.enumerated() {
            #expect(
                try await fork.output("get word;get number;read 0:\(number * 512) 7")
                    == "held\n\(number)\nnumber\(number)")
            await fork.close()
            var expected = disks[0]
            let text = Data("number\(number)".utf8)
            expected.replaceSubrange(number * 512..<(number + 1) * 512, with: text + Data(count: 512 - text.count))
            try await lab.expectOutside(fork.folder.name, reads: expected)
        }
        await web.close()
    }

    @Test func `a checkpoint's disks stay for its forks, and go with the last`() async throws {
        let (lab, web, ids, disks) = try await filled()
        _ = try await web.apply(#require(ids[.off]))
        for name in ["one", "two"] as [MachineName] { _ = try await web.fork(#require(ids[.running]), as: name) }
        let one = try lab.open("one")
        try await one.start()
        try await web.delete(Array(ids.values))
        await web.close()
        // Whoever opens the source merges nothing that others read through.
        try await lab.with("web") { _ in }
        #expect(try await one.output("get word") == "held")
        _ = try await one.output("write 0:0 mine")
        let own = try await lab.hold(one, "own")
        _ = try await one.apply(own)
        #expect(try await one.output("get word;read 0:0 4") == "held\nmine")
        #expect(try lab.disks(of: "two") == disks)
        try await lab.with("two") { two in
            try await two.start()
            #expect(try await two.output("get word") == "held")
        }
        await one.close()
        try lab.lab.deleteMachine("one")
        try await lab.with("web") { _ in }
        #expect(try lab.disks(of: "two") == disks)
        try lab.lab.deleteMachine("two")
        try await lab.with("web") { _ in }
        // Nothing but the bases is left of a machine without checkpoints.
        #expect(try lab.differencingDisks("web") == [])
        #expect(try lab.disks(of: "web") == disks)
    }

    @Test func `a machine stays for its forks until they are deleted or promoted`() async throws {
        let (lab, web, ids, disks) = try await filled()
        for name in ["one", "two"] as [MachineName] { _ = try await web.fork(#require(ids[.running]), as: name) }
        let id = await web.files.id
        await web.close()
        let error = #expect(throws: EngineError.self) { try lab.lab.deleteMachine("web") }
        #expect(error?.code == .wrongState)
        #expect(
            error?.description
                == "machine 'web' cannot be deleted: 'one', 'two' are its forks, and read through its disks; make them "
                + "independent with 'fermata vm promote', or delete them first")
        let replaced = #expect(throws: EngineError.self) {
            _ = try lab.lab.createMachine(ForkLab.definition, replacing: id, file: { FilePath($0) })
        }
        #expect(replaced?.code == .wrongState)
        try await lab.with("one") { try await $0.promote() }
        try lab.lab.deleteMachine("two")
        // A damaged machine is looked at by the files of its disks.
        let folder = lab.lab.machine("one")
        let file = folder.configuration(of: try folder.identity())
        let bytes = try FileSystem.read(file, limit: 1 << 20)
        try FileSystem.write(Array("<no".utf8), to: file)
        try lab.lab.deleteMachine("web")
        try FileSystem.write(bytes, to: file)
        #expect(try lab.disks(of: "one") == disks)
        try await lab.expectOutside("one", reads: disks[0])
        try await lab.with("one") { one in
            try await one.start()
            #expect(try await one.output("get word") == "held")
        }
    }

    @Test func `a damaged fork still keeps its source`() async throws {
        let (lab, web, ids, _) = try await filled()
        _ = try await web.fork(#require(ids[.off]), as: "fork")
        await web.close()
        let folder = lab.lab.machine("fork")
        try FileSystem.write(Array("<no".utf8), to: folder.configuration(of: try folder.identity()))
        let error = #expect(throws: EngineError.self) { try lab.lab.deleteMachine("web") }
        #expect(error?.code == .wrongState)
        try lab.lab.deleteMachine("fork")
        try lab.lab.deleteMachine("web")
    }

    @Test func `a renamed source and a moved lab are found, and the disks say so again`() async throws {
        let (lab, web, ids, disks) = try await filled()
        _ = try await web.fork(#require(ids[.running]), as: "fork")
        let running = try lab.open("fork")
        try await running.start()
        await web.close()
        try lab.lab.renameMachine("web", to: "site")
        // One that runs meanwhile goes on, and everything of it still works.
        let own = try await lab.hold(running, "own")
        _ = try await running.output("set word lost")
        _ = try await running.apply(own)
        #expect(try await running.output("get word") == "held")
        await running.close()
        #expect(try lab.disks(of: "fork") == disks)
        func isStale() throws -> Bool { try !DiskReferences(of: lab.lab).stale.isEmpty }
        #expect(try isStale())
        try await lab.with("fork") { _ in }
        #expect(try !isStale())
        #expect(try lab.disks(of: "fork") == disks)
        try await lab.expectOutside("fork", reads: disks[0])
        try lab.moveLab()
        #expect(try !isStale())
        #expect(try lab.disks(of: "fork") == disks)
        try await lab.with("fork") { fork in
            _ = try await fork.apply(own)
            #expect(try await fork.output("get word") == "held")
        }
        let error = #expect(throws: EngineError.self) { try lab.lab.deleteMachine("site") }
        #expect(error?.code == .wrongState)
    }

    @Test func `forks of forks read through all of them, and are promoted past them`() async throws {
        let (lab, web, ids, disks) = try await filled()
        _ = try await web.fork(#require(ids[.running]), as: "child")
        let child = try lab.open("child")
        try await child.start()
        _ = try await child.output("set word child;write 0:0 child")
        let held = try await lab.hold(child, "held")
        _ = try await child.fork(held, as: "grandchild")
        let error = await #expect(throws: EngineError.self) { try await child.promote() }
        #expect(error?.code == .wrongState)
        await child.close()
        var expected = disks[0]
        expected.replaceSubrange(0..<512, with: Data("child".utf8) + Data(count: 507))
        #expect(try lab.disks(of: "grandchild")[0] == expected)
        #expect(try lab.reads("grandchild", through: "child") && lab.reads("grandchild", through: "web"))
        // The fork between may be promoted, and its checkpoint deleted, with the machine beneath it gone.
        try await lab.with("child") { child in
            try await child.promote()
            try await child.delete([held])
        }
        #expect(try !lab.reads("grandchild", through: "web"))
        await web.close()
        try lab.lab.deleteMachine("web")
        #expect(try lab.disks(of: "grandchild")[0] == expected)
        try await lab.with("grandchild") { fork in
            try await fork.start()
            #expect(try await fork.output("get word;read 0:0 5") == "child\nchild")
            try await fork.save()
            try await fork.promote()
        }
        #expect(try !lab.reads("grandchild", through: "child"))
        try lab.lab.deleteMachine("child")
        #expect(try lab.disks(of: "grandchild")[0] == expected)
        try await lab.expectOutside("grandchild", reads: expected)
        try await lab.with("grandchild") { fork in
            try await fork.start()
            #expect(try await fork.output("get word;read 0:0 5") == "child\nchild")
        }
    }

    @Test func `a promotion leaves every checkpoint of the fork as it was`() async throws {
        let (lab, web, ids, _) = try await filled()
        _ = try await web.fork(#require(ids[.off]), as: "fork")
        await web.close()
        try await lab.with("fork") { fork in
            var known: [GUID: [Data]] = [:]
            for name in ["a", "b", "c"] {
                let disks = try lab.disks(of: "fork")
                known[try await lab.hold(fork, CheckpointName(name))] = disks
                if name == "b" { _ = try await fork.apply(known.keys.sorted()[0]) }
                try await lab.change(fork)
            }
            known[await fork.files.id] = try lab.disks(of: "fork")
            try await fork.promote()
            #expect(try !lab.reads("fork", through: "web"))
            let record = await fork.files
            #expect(record.checkpoints.count == 3)
            for (id, configuration) in [(record.id, record.now)] + record.checkpoints.map({ ($0, $1) }) {
                #expect(try lab.disks(configuration, of: "fork") == known[id])
            }
            // One that is independent already stays as it is.
            let files = try lab.differencingDisks("fork")
            for file in files {
                let path = record.folder.differencingDisks(of: record.id).appending(file)
                #expect(FileSystem.status(of: path).map { $0.st_mode & 0o777 } == 0o600)
            }
            try await fork.promote()
            #expect(try lab.differencingDisks("fork") == files)
        }
        try lab.lab.deleteMachine("web")
    }
}
