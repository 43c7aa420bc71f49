// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
public import FermataPlan
import Synchronization
public import SystemPackage

/// Does what a plan says, one operation after another: the one place where plans meet machines.
///
/// It knows nothing of who wrote the recipe. What it holds it lets go at the end, its machines off or saved:
/// ```
///  take hold of the machines ─► operations ─► machines off or saved ─► let go
///                                   │ one fails
///                                   └─► keep its machine as "failed: <number> <word>" ─► machines off ─► let go
/// ```
public actor PlanExecutor {
    /// What is being done.
    public nonisolated let plan: Plan
    /// What happens, in order, until the run ends; for one reader.
    public nonisolated let events: AsyncStream<RunEvent>

    let lab: Lab
    let recipeFolder: FilePath
    var hosts: [MachineName: MachineHost] = [:]
    private var hostings: [MachineName: Hosting] = [:]
    private let continuation: AsyncStream<RunEvent>.Continuation
    private let began = ContinuousClock.now
    private let isInterrupted: Atomic<Bool> = Atomic(false)
    private let console: Mutex<Console?> = Mutex(nil)

    /// Makes an executor; nothing happens yet.
    ///
    /// - Parameter recipeFolder: where the recipe's relative paths begin.
    public init(_ plan: Plan, in lab: Lab, recipeFolder: FilePath) {
        self.plan = plan
        self.lab = lab
        self.recipeFolder = recipeFolder
        (events, continuation) = AsyncStream.makeStream()
    }

    /// Lets the operation under way finish, and then stops with the machines off.
    public nonisolated func interrupt() {
        isInterrupted.store(true, ordering: .relaxed)
    }

    /// The last lines on the console of the machine whose operation is under way.
    public nonisolated func consoleLines(_ count: Int) -> [String] {
        console.withLock { $0 }?.lastLines(count) ?? []
    }

    /// Does it all; to be called once.
    ///
    /// - Throws: ``RunError``; the machines are off then, too, those that a step has saved aside.
    public func run() async throws -> RunOutcome {
        defer { continuation.finish() }
        emit(.planned(plan))
        do {
            try takeHold()
            for (index, operation) in plan.operations.enumerated() {
                try await step(RunOperation(number: index + 1, count: plan.operations.count, operation: operation))
            }
        } catch {
            await letGo()
            emit(.stopped(error))
            throw error
        }
        let outcome = await outcome
        await letGo()
        emit(.finished(outcome))
        return outcome
    }

    private func emit(_ kind: RunEvent.Kind) {
        continuation.yield(RunEvent(time: .now - began, kind: kind))
    }

    private func step(_ operation: RunOperation) async throws(RunError) {
        guard !isInterrupted.load(ordering: .relaxed) else {
            throw RunError(
                .interrupted,
                "the run was stopped before operation \(operation.number) of \(operation.count) "
                    + "(\(operation.operation.summary)), and its machines are off")
        }
        emit(.operationStarted(operation))
        let start = ContinuousClock.now
        console.withLock { $0 = hosts[operation.machine]?.console }
        do {
            let detail = try await perform(operation.operation)
            emit(.operationFinished(operation, took: .now - start, detail))
        } catch {
            let failure = self.failure(of: operation, error)
            emit(.operationFailed(operation, took: .now - start, failure))
            await keep(operation)
            throw failure
        }
    }

    /// Holds a machine at the failure of one of its steps, so that its author can look at it.
    private func keep(_ operation: RunOperation) async {
        guard let number = operation.operation.step, let host = hosts[operation.machine] else { return }
        let name = CheckpointName("failed: \(number) \(operation.operation.word)")
        let owner = await host.files.now.owner
        let request = CheckpointRequest(
            name: name, notes: operation.operation.summary, owner: owner, replaces: true)
        do {
            _ = try await host.checkpoint(request)
            emit(.kept(operation.machine, as: name, problem: nil))
        } catch {
            emit(
                .kept(
                    operation.machine, as: name,
                    problem: "machine '\(operation.machine)' could not be kept at its failure: \(error)"))
        }
    }

    /// Takes the locks of the machines that exist, before anything is changed.
    private func takeHold() throws(RunError) {
        do throws(EngineError) {
            let folder = try LabFolder.create(lab.folder.path, trash: lab.trash)
            try folder.removeLeftovers()
            for operation in plan.operations {
                switch operation.kind {
                case .returnToOrigin(let name, _): try takeHold(of: folder.machine(name))
                case .recreateMachine, .deleteMachine: try folder.machine(operation.machine).requireFree()
                default: continue
                }
            }
        } catch {
            hosts = [:]
            hostings = [:]
            throw RunError(.lab, error.description)
        }
    }

    /// Hosts a machine from now on, and lets others reach it.
    @discardableResult
    func takeHold(of folder: MachineFolder) throws(EngineError) -> MachineHost {
        let host = try MachineHost(of: folder, hypervisor: lab.hypervisor, settings: lab.settings)
        hosts[folder.name] = host
        hostings[folder.name] = Hosting(host)
        return host
    }

    private func letGo() async {
        console.withLock { $0 = nil }
        for hosting in hostings.values { await hosting.close() }
        hosts = [:]
        hostings = [:]
    }

    private var outcome: RunOutcome {
        get async {
            var machines: [RunOutcome.Machine] = []
            for forecast in plan.forecasts {
                guard let files = await hosts[forecast.machine]?.files else { continue }
                machines.append(RunOutcome.Machine(name: forecast.machine, id: files.id, tree: files.tree))
            }
            return RunOutcome(machines: machines)
        }
    }
}
