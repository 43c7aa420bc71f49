// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import StorageTestSupport
import Testing

/// Operations on one machine wait for each other, those on two machines do not, and who looks waits for nobody.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ConcurrencyTests {
    /// A lab with two machines that run, hosted by this process.
    private struct Machines {
        let lab: TestLab
        let gate: Gate
        let web: MachineHandle
        let db: MachineHandle

        /// - Parameter work: what the machines' own threads do, and wait for while the gate is shut.
        init(holding work: SimulatedHypervisor.Request) async throws {
            let gate = Gate()
            self.gate = gate
            lab = try TestLab(SimulatedHypervisor { if $0 == work { gate.pass() } })
            web = try lab.lab.create(TestLab.machine("web"), in: lab.folder.path)
            db = try lab.lab.create(TestLab.machine("db"), in: lab.folder.path)
            try await web.start()
            try await db.start()
        }

        func close() async {
            gate.open()
            await web.close()
            await db.close()
        }
    }

    /// Looks at a machine in every way, while something is under way on it.
    private func expectReadable(_ machines: Machines, while activity: String) async throws {
        let (lab, folder) = (machines.lab.lab, machines.web.control.folder)
        // The host itself answers, and at once: nobody could wait for so long that it shows here.
        let status = try await lab.status(of: "web", within: .seconds(3600))
        #expect(status == MachineStatus(state: .running, activity: activity))
        #expect(try await machines.web.status == status)
        #expect(try MachineRecord(reading: folder).tree.checkpoints.map(\.name) == ["clean"])
        #expect(try lab.inventory(for: TestLab.recipe([]), in: machines.lab.folder.path).machines.count == 2)
    }

    @Test func `operations queue behind a checkpoint, and nobody else waits for it`() async throws {
        let machines = try await Machines(holding: .readMemory)
        try await machines.web.checkpoint("clean")
        let events = try await machines.web.events()
        machines.gate.shut()
        let checkpoint = Task { try await machines.web.checkpoint("held") }
        await machines.gate.arrival()
        let remote = try #require(try RemoteMachine(connectingTo: machines.web.control.folder))
        let pause = Task { try await remote.pause() }
        try await expectReadable(machines, while: "a checkpoint")

        try await machines.db.pause()
        try await machines.db.resume()
        #expect(try await machines.db.status == MachineStatus(state: .running))

        machines.gate.open()
        let held = try await checkpoint.value
        try await pause.value
        #expect(try await machines.web.status == MachineStatus(state: .paused))
        await remote.close()
        await machines.close()
        let told = await events.reduce(into: []) { $0.append($1.kind) }
        #expect(told.prefix(2) == [.checkpointed("held", held.id), .state(.paused, reason: nil)], "\(told)")
    }

    @Test func `operations queue behind a slow restore, and nobody else waits for it`() async throws {
        let machines = try await Machines(holding: .writeMemory)
        let clean = try await machines.web.checkpoint("clean")
        let events = try await machines.web.events()
        machines.gate.shut()
        let restore = Task { try await machines.web.revert() }
        await machines.gate.arrival()
        let remote = try #require(try RemoteMachine(connectingTo: machines.web.control.folder))
        let pause = Task { try await remote.pause() }
        try await expectReadable(machines, while: "a restore")

        try await machines.db.pause()
        try await machines.db.resume()

        machines.gate.open()
        #expect(try await restore.value.checkpoint == clean.id)
        try await pause.value
        #expect(try await machines.web.status == MachineStatus(state: .paused))
        await remote.close()
        await machines.close()
        let told = await events.reduce(into: []) { $0.append($1.kind) }
        #expect(told.contains(.restored(clean.id)) && told.last { $0 == .state(.paused, reason: nil) } != nil)
    }
}
