// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

extension Operation {
    /// What the operation does, on one line: for plans, progress and messages.
    public var summary: String { summary(of: kind) }

    private func summary(of kind: Kind) -> String {
        switch kind {
        case .deleteMachine(let name, _): "delete machine \(name), which is forked again"
        case .createMachine(let new): "create machine \(new.definition.name): \(new.definition.summary)"
        case .recreateMachine(let new, _):
            "delete machine \(new.definition.name) and create it again: \(new.definition.summary)"
        case .returnToOrigin(let name, let back):
            "return \(name) to its origin" + (back.discardsSaved ? ", discard its saved memory" : "")
                + (back.deleting.isEmpty
                    ? "" : ", delete " + back.deleting.map { $0.name.quoted }.joined(separator: ", "))
        case .createOrigin(let name, _): "hold the origin of \(name)"
        case .start(let name): "Start \(name)"
        case .shutDown(let name, let within, let orElse):
            "ShutDown \(name) within \(within)" + (orElse == .turnOff ? ", else turn it off" : "")
        case .pause(let name): "Pause \(name)"
        case .resume(let name): "Resume \(name)"
        case .save(let name): step == nil ? "save \(name) if it still runs" : "Save \(name)"
        case .reset(let name): "Reset \(name)"
        case .waitForReboot(let name, let within): "WaitForReboot \(name) within \(within)"
        case .turnOff(let name): step == nil ? "turn off \(name) if it still runs" : "TurnOff \(name)"
        case .waitForConsole(let name, .plain(let text), let within):
            "WaitForConsole \(name) \(text.quoted) within \(within)"
        case .waitForConsole(let name, .pattern(let pattern), let within):
            "WaitForConsole \(name) pattern \(pattern.quoted) within \(within)"
        case .run(let name, let command, _, _): "Run \(name) \(command.summary)"
        case .type(let name, let text): "Type \(name) \(text.quoted)"
        case .checkpoint(let new):
            "Checkpoint \(new.name.quoted) of \(new.machine)"
                + (new.kind == .diskOnly ? ", its disks alone" : new.withMemory ? " with memory" : "")
                + (new.replacing ? ", replacing the one of that name" : "")
        case .revert(let name, let target):
            "Revert \(name) to " + (target.map(\.quoted) ?? "its origin")
        case .apply(let checkpoint, let name): "Apply \(checkpoint.quoted) of \(name)"
        case .deleteCheckpoint(let checkpoint, let name, let scope):
            "DeleteCheckpoint \(checkpoint.quoted) of \(name)" + scope.summary
        case .renameCheckpoint(let checkpoint, let name, let new):
            "RenameCheckpoint \(checkpoint.quoted) of \(name) to \(new.quoted)"
        case .exportCheckpoint(let checkpoint, let name, let place, let flattened, let withMemory):
            "ExportCheckpoint \(checkpoint.quoted) of \(name) to \(place.quoted)"
                + (flattened ? ", each disk as one file" : "") + (withMemory ? ", with memory" : "")
        case .fork(let new):
            "Fork \(new.name) of \(new.source) from \(new.checkpoint?.quoted ?? "its origin")"
                + (new.withMemory ? ", which runs on from there" : ", off")
        case .change(let name, let change): "Change \(name): \(change.summary)"
        case .attach(let name, let disk): "Attach \(name) \(disk.summary)"
        case .detach(let name, let disk): "Detach \(name) disk \(disk.quoted)"
        case .together(let kinds): together(kinds)
        }
    }

    private func together(_ kinds: [Kind]) -> String {
        let machines = kinds.flatMap(\.machines).map(\.description)
        let all = machines.dropLast().joined(separator: ", ") + " and " + (machines.last ?? "")
        switch kinds.first {
        case .checkpoint(let new):
            let withMemory = kinds.contains { if case .checkpoint(let new) = $0 { new.withMemory } else { false } }
            return "Checkpoint \(new.name.quoted) of \(all) at one moment"
                + (new.kind == .diskOnly ? ", their disks alone" : withMemory ? ", with memory" : "")
                + (new.replacing ? ", replacing the one of that name" : "")
        case .revert(_, let target): return "Revert \(all) to \(target?.quoted ?? "their origins")"
        case .apply(let checkpoint, _): return "Apply \(checkpoint.quoted) of \(all)"
        case .deleteCheckpoint(let checkpoint, _, _): return "DeleteCheckpoint \(checkpoint.quoted) of \(all)"
        case .renameCheckpoint(let checkpoint, _, let new):
            return "RenameCheckpoint \(checkpoint.quoted) of \(all) to \(new.quoted)"
        default: return kinds.map { summary(of: $0) }.joined(separator: ", ")
        }
    }
}

extension MachineDefinition {
    /// The hardware on one line.
    fileprivate var summary: String {
        var parts = ["\(memory)", processors.summary]
        if let boot { parts.append("kernel \(boot.kernel.shortened(to: 60))") }
        parts += disks.map(\.summary)
        if hasNetwork { parts.append("network card") }
        if clock == .host { parts.append("the host's clock") }
        return parts.joined(separator: ", ")
    }
}

extension MachineDefinition.Disk {
    /// The disk on one line.
    fileprivate var summary: String { "disk \(name.quoted) of \(size)" }
}

extension Int {
    /// The number of processors in words.
    fileprivate var summary: String { self == 1 ? "1 processor" : "\(self) processors" }
}

extension Action.DeletionScope {
    /// What goes besides the checkpoint, or instead of it.
    fileprivate var summary: String {
        switch self {
        case .checkpoint: ""
        case .subtree: " with all that grew from it"
        case .children: ": all that grew from it"
        }
    }
}

extension Action.Change {
    /// What changes, on one line.
    fileprivate var summary: String {
        let parts = [
            memory?.description, processors?.summary, arguments.map { "arguments \($0.quoted)" },
            notes.map { $0.isEmpty ? "no notes" : "notes \($0.quoted)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

extension Action.Command {
    /// The command on one line, as a shell would take it.
    fileprivate var summary: String {
        switch self {
        case .shell(let text): text.shortened(to: 100)
        case .arguments(let arguments):
            "[\(arguments.map { "\"\($0.shortened(to: 60))\"" }.joined(separator: ", "))]".shortened(to: 100)
        }
    }
}
