// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataPlan
import Hashing
import SystemPackage

extension PlanExecutor {
    /// Does one operation.
    func perform(_ operation: Operation) async throws -> OperationDetail? {
        let name = operation.machine
        switch operation.kind {
        case .deleteMachine(_, let id):
            try check(id, isIdentityOf: lab.folder.machine(name))
            try lab.folder.deleteMachine(name, toTrash: false)
        case .createMachine(let new):
            return .machine(try await create(new, replacing: nil))
        case .recreateMachine(let new, let old):
            return .machine(try await create(new, replacing: old))
        case .returnToOrigin(_, let back):
            let host = try held(name)
            try check(back.machine, isIdentityOf: host.folder)
            // A run can make again whatever it discards.
            let outcome = try await host.apply(back.origin, toTrash: false)
            try await host.delete(back.deleting.map(\.id), toTrash: false)
            return .restore(outcome)
        case .createOrigin(_, let owner):
            let request = CheckpointRequest(name: "origin", owner: owner, isOrigin: true)
            return .checkpoint(try await held(name).checkpoint(request))
        case .start:
            try await held(name).start()
        case .shutDown(_, let within, let orElse):
            try await held(name).shutDown(within: within, orElse: orElse)
        case .turnOff:
            try await hosts[name]?.turnOff()
        case .pause:
            try await held(name).pause()
        case .resume:
            try await held(name).resume()
        case .save:
            try await save(held(name), onlyIfItRuns: operation.phase == .end)
        case .reset:
            try await held(name).reset()
        case .waitForReboot(_, let within):
            try await held(name).waitForReboot(within: within)
        case .waitForConsole(_, let text, let within):
            return .console(try await held(name).waitForConsole(text, within: within))
        case .run(_, let command, let expect, let within):
            return .command(exitCode: try await run(command, on: held(name), expect: expect, within: within))
        case .type(_, let text):
            try await held(name).type(Array(text.utf8))
        case .checkpoint(let new):
            let request = CheckpointRequest(
                name: new.name, notes: new.notes, owner: new.owner, replaces: new.replacing, kind: new.kind.ofEngine)
            return .checkpoint(try await held(name).checkpoint(request))
        case .revert:
            return .restore(try await held(name).revert(toTrash: false))
        case .apply(let checkpoint, _):
            let host = try held(name)
            return .restore(try await host.apply(self.checkpoint(checkpoint, of: host), toTrash: false))
        case .deleteCheckpoint(let checkpoint, _, let scope):
            let host = try held(name)
            let top = try await self.checkpoint(checkpoint, of: host)
            let below = scope == .checkpoint ? [] : await host.files.tree.descendants(of: top).map(\.id)
            try await host.delete((scope == .children ? [] : [top]) + below, toTrash: false)
        case .renameCheckpoint(let checkpoint, _, let new):
            let host = try held(name)
            try await host.change(self.checkpoint(checkpoint, of: host), name: new, notes: nil)
        case .exportCheckpoint(let checkpoint, _, let place, let flattened, let withMemory):
            let host = try held(name)
            try await host.export(
                self.checkpoint(checkpoint, of: host), to: Lab.path(of: place, in: recipeFolder), flattened: flattened,
                withMemory: withMemory)
        case .fork(let new):
            return .machine(try await fork(new))
        case .change(_, let change):
            try await held(name).change(HardwareChange(change))
        case .attach(_, let disk):
            let content = HardwareChange.NewDisk.Content.empty(disk.size, disk.format)
            try await held(name).change(HardwareChange(attach: [.init(name: disk.name, content: content)]))
        case .detach(_, let disk):
            try await held(name).change(HardwareChange(detach: [disk], discardsDetached: true))
        case .together(let kinds): return try await perform(together: kinds)
        }
        return nil
    }

    func held(_ name: MachineName) throws(RunError) -> MachineHost {
        guard let host = hosts[name] else {
            throw RunError(.stale, "machine '\(name)' is not one of this run's; plan again")
        }
        return host
    }

    /// Makes a machine, and makes sure that its boot files are those for which the plan was made.
    private func create(_ new: NewMachine, replacing old: GUID?) async throws -> GUID {
        let planned = new.definition.inputFiles.compactMap { path in
            new.files.first { $0.path == path }?.digest.description
        }
        let folder = try lab.folder.createMachine(
            new.definition, replacing: old, file: { recipeFolder.pushing(FilePath($0)) }, expecting: planned,
            owner: new.owner)
        return try await takeHold(of: folder).files.id
    }

    private func check(_ id: GUID, isIdentityOf folder: MachineFolder) throws {
        guard try folder.identity() == id else {
            throw RunError(
                .stale, "machine '\(folder.name)' is not the one for which the plan was made; plan again")
        }
    }

    func checkpoint(_ name: CheckpointName, of host: MachineHost) async throws -> GUID {
        let checkpoint = await host.files.tree.checkpoints.first { $0.name == name && !$0.isOrigin }
        guard let checkpoint else {
            throw RunError(.stale, "machine '\(host.folder.name)' has no checkpoint '\(name)'; plan again")
        }
        return checkpoint.id
    }

    private func run(
        _ command: Action.Command, on host: MachineHost, expect: Expectation, within limit: TimeSpan
    ) async throws -> Int {
        let result = try await host.run(command, within: limit)
        let output = String(decoding: result.standardOutput, as: UTF8.self)
        guard let unmet = expect.unmet(exitCode: result.exitCode, output: output) else { return result.exitCode }
        throw RunError(
            .expectation, unmet,
            notes: [
                .tail("stdout", of: output),
                .tail("stderr", of: String(decoding: result.standardError, as: UTF8.self)),
            ].compactMap(\.self))
    }

    /// What to tell of an operation that failed.
    func failure(of operation: RunOperation, _ error: any Error) -> RunError {
        let at = operation.operation.at
        let what =
            operation.operation.step.map { "step \($0), \(operation.operation.summary)" }
            ?? operation.operation.summary
        let console = consoleLines(8).joined(separator: "\n")
        var failure = (error as? RunError) ?? RunError(code(of: error), message(of: error, operation.operation))
        failure.at = at
        failure.message = "\(what): \(failure.message)"
        failure.notes += [.tail("console", of: console)].compactMap(\.self)
        return failure
    }

    /// The sentence of an error; of a wait that took too long without the console's end, which is a note of its own.
    private func message(of error: any Error, _ operation: Operation) -> String {
        guard let error = error as? EngineError, error.code == .timeout else { return "\(error)" }
        return switch operation.kind {
        case .run(_, _, _, let limit): "the command did not end within \(limit)"
        case .waitForReboot(_, let limit): "the guest did not restart within \(limit)"
        case .waitForConsole(_, let text, let limit): "\(text) did not appear on the console within \(limit)"
        default: error.description
        }
    }

    private func code(of error: any Error) -> RunError.Code {
        guard let code = (error as? EngineError)?.code else { return .operation }
        if code == .stale { return .stale }
        return code == .timeout || code == .guest ? .expectation : .operation
    }
}

extension Operation {
    /// The word that names what the operation does, as messages and checkpoints of failures say it.
    var word: String { kind.word }
}

extension Operation.Kind {
    fileprivate var word: String {
        switch self {
        case .deleteMachine: "deleteMachine"
        case .createMachine: "createMachine"
        case .recreateMachine: "recreateMachine"
        case .returnToOrigin: "returnToOrigin"
        case .createOrigin: "createOrigin"
        case .start: "Start"
        case .shutDown: "ShutDown"
        case .turnOff: "TurnOff"
        case .pause: "Pause"
        case .resume: "Resume"
        case .save: "Save"
        case .reset: "Reset"
        case .waitForReboot: "WaitForReboot"
        case .waitForConsole: "WaitForConsole"
        case .run: "Run"
        case .type: "Type"
        case .checkpoint: "Checkpoint"
        case .revert: "Revert"
        case .apply: "Apply"
        case .deleteCheckpoint: "DeleteCheckpoint"
        case .renameCheckpoint: "RenameCheckpoint"
        case .exportCheckpoint: "ExportCheckpoint"
        case .fork: "Fork"
        case .change: "Change"
        case .attach: "Attach"
        case .detach: "Detach"
        case .together(let kinds): kinds.first?.word ?? ""
        }
    }
}

extension HardwareChange {
    fileprivate init(_ change: Action.Change) {
        self.init(
            memory: change.memory, processors: change.processors, arguments: change.arguments, notes: change.notes)
    }
}

extension RunError.Note {
    /// The end of a text, made fit for a terminal; nil when there is none.
    static func tail(_ title: String, of text: String, lines: Int = 8, width: Int = 400) -> RunError.Note? {
        let clean = text.replacing("\r\n", with: "\n").split(separator: "\n").suffix(lines)
            .map { String($0).shortened(to: width) }
        return clean.isEmpty ? nil : RunError.Note(title: title, text: clean.joined(separator: "\n"))
    }
}
