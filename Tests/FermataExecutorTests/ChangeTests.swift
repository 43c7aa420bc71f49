// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import StorageTestSupport
import SystemPackage
import Testing

/// Hardware that changes, asked for by another process.
@Suite struct ChangeTests {
    private func now(_ lab: TestLab) throws -> Configuration {
        try MachineRecord(reading: LabFolder.open(lab.lab.folder.path).machine("web")).now
    }

    /// What of a configuration is the same in every lab.
    private struct Seen: Hashable {
        let memory: UInt64
        let processors: Int
        let notes: String?
        let boot: Configuration.Boot?
        let disks: [String]

        init(_ configuration: Configuration) {
            memory = configuration.memory
            processors = configuration.processors
            notes = configuration.notes
            boot = configuration.boot
            disks = configuration.disks.map { "\($0.name) \($0.path.split(separator: "/").last ?? "")" }
        }
    }

    @Test func `a change that another process asks for is the change that is made here`() async throws {
        let changes = [
            HardwareChange(
                memory: .mebibytes(2), processors: 3, arguments: "loud \"and\"\tclear", notes: "why\nnot",
                attach: [
                    .init(name: "data", content: .empty(.mebibytes(2), .vhdx)),
                    .init(name: "more", content: .empty(.mebibytes(3), .vhd)),
                ]),
            HardwareChange(detach: ["data", "more"]),
            HardwareChange(attach: [.init(name: "gone", content: .empty(.mebibytes(1), .vhd))]),
            HardwareChange(detach: ["gone"], discardsDetached: true),
            HardwareChange(notes: "", attach: [.init(name: "old", content: .file("web-data.vhdx"))]),
        ]
        var results: [[Seen]] = []
        for isRemote in [false, true] {
            let lab = try TestLab()
            let local = try lab.lab.create(TestLab.machine(), in: lab.folder.path)
            let remote = try #require(try RemoteMachine(connectingTo: local.control.folder))
            let kernel = HardwareChange(
                kernel: lab.folder.path.appending("initrd"), initrd: lab.folder.path.appending("kernel"))
            var seen: [Seen] = []
            for change in changes + [kernel] {
                if isRemote { try await remote.change(change) } else { try await local.change(change) }
                seen.append(Seen(try now(lab)))
            }
            let files = try lab.contents().keys.filter { $0.hasSuffix(".vhd") || $0.hasSuffix(".vhdx") }
            #expect(files.count == 3 && !files.contains { $0.contains("gone") }, "\(files)")
            results.append(seen)
            await local.close()
        }
        #expect(results[0] == results[1])
        let first = try #require(results[1].first)
        #expect(first.memory == 2 << 20 && first.processors == 3 && first.notes == "why\nnot")
        #expect(first.boot?.arguments == "loud \"and\"\tclear")
        #expect(first.disks == ["system web.vhd", "data web-data.vhdx", "more web-more.vhd"])
        #expect(results[1][1].disks == ["system web.vhd"] && results[1][1].notes == "why\nnot")
        #expect(results[1][4].disks == ["system web.vhd", "old web-data.vhdx"] && results[1][4].notes == nil)
        #expect(results[1][5].boot?.kernel == first.boot?.initrd && results[1][5].boot?.initrd == first.boot?.kernel)
    }

    @Test func `notes change in every state, and hardware only while the machine is off`() async throws {
        let lab = try TestLab()
        let local = try lab.lab.create(TestLab.machine(), in: lab.folder.path)
        let remote = try #require(try RemoteMachine(connectingTo: local.control.folder))
        let hardware = HardwareChange(memory: .mebibytes(2), notes: "both")
        for state in [MachineState.running, .paused, .saved] {
            switch state {
            case .running, .off: try await remote.start()
            case .paused: try await remote.pause()
            case .saved: try await remote.save()
            }
            try await remote.change(HardwareChange(notes: "it is \(state)"))
            let before = try lab.contents()
            let error = await #expect(throws: EngineError.self) { try await remote.change(hardware) }
            #expect(error?.code == .wrongState, "\(String(describing: error))")
            #expect(error?.description.hasPrefix("machine 'web' is \(state), and its hardware changes only") == true)
            #expect(try lab.contents() == before)
            #expect(try now(lab).notes == "it is \(state)" && now(lab).memory == 1 << 20)
        }
        try await remote.turnOff()
        try await remote.change(hardware)
        #expect(try now(lab).notes == "both" && now(lab).memory == 2 << 20)
        await local.close()
    }

    @Test func `steps change hardware, and a checkpoint brings back that of its time`() async throws {
        let lab = try TestLab()
        let arguments = "clocksource=hpet tsc=unstable loud"
        func hardware(_ last: [Action]) -> Recipe {
            TestLab.recipe(
                [
                    .start("web"), .ready, .sh("set word small; write 0 hello"), .hold("small"), .turnOff("web"),
                    .change(
                        "web", .init(memory: .mebibytes(2), processors: 2, arguments: arguments, notes: "grown")),
                    .attach("web", .init(name: "data", size: .mebibytes(1), format: .vhdx)),
                    .start("web"), .ready, .sh("set word large"), .change("web", .init(notes: "it runs")),
                    .hold("large"), .turnOff("web"), .detach("web", disk: "system"),
                ] + last)
        }
        let ends: [(Action?, memory: UInt64, disks: [String], word: String)] = [
            (.apply("small", of: "web"), 1, ["system"], "small"),
            (.apply("large", of: nil), 2, ["system", "data"], "large"), (.revert(nil), 2, ["system", "data"], "large"),
            (nil, 2, ["data"], "(unset)"),
        ]
        var files: [Int] = []
        for (step, memory, disks, word) in ends + ends {
            let back = step.map { [$0] } ?? [.start("web"), .ready]
            let (events, error) = try await lab.run(
                hardware(back + [.sh("get word", Expectation(equals: word))]))
            #expect(error == nil, "\(String(describing: error))")
            let now = try now(lab)
            #expect(now.memory == memory << 20 && now.disks.map(\.name) == disks && now.processors == Int(memory))
            #expect((now.boot?.arguments == arguments) == (memory == 2))
            #expect(lab.hypervisor.liveMachines == 0 && !events.isEmpty)
            files.append(try lab.contents().keys.count { $0.hasSuffix(".vhd") || $0.hasSuffix(".vhdx") })
        }
        // What one run attached is gone when the next has started over.
        #expect(files.prefix(4) == files.suffix(4), "\(files)")
    }

    @Test func `what cannot be changed is told with its line before anything happens`() async throws {
        let lab = try TestLab()
        let before = try lab.contents()
        let recipe = TestLab.recipe([
            .start("web"), .change("web", .init(memory: .mebibytes(2))),
            .detach("web", disk: "sistem"),
        ])
        let errors = await #expect(throws: PlanningErrors.self) { try await lab.run(recipe) }
        #expect(
            errors?.diagnostics.map(\.description) == [
                "lab.lua:11: error: Change needs a machine that is off, and 'web' is running, since lab.lua:10; "
                    + "shut it down or turn it off first",
                "lab.lua:12: error: machine 'web' has no disk 'sistem'; did you mean 'system'?",
            ])
        #expect(try lab.contents() == before)
    }
}
