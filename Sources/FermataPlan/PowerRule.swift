// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// In which states a machine must be for a step, and what it becomes.
///
/// ```
///                                   off       running    paused     saved
///  Start                            running      -          -       running
///  ShutDown                            -      off           -          -
///  TurnOff                             -      off        off        off
///  Pause                               -      paused        -          -
///  Resume                              -         -       running       -
///  Save                                -      saved      saved         -
///  Reset                               -      running    paused        -
///  WaitForReboot, Run, Type,
///  WaitForConsole                      -      running       -          -
///  Change, Attach, Detach           off         -          -         -
///  Checkpoint, Change of notes,
///  Delete- and RenameCheckpoint,
///  ExportCheckpoint, Fork           off       running    paused     saved
///  Revert, Apply                    the state of the checkpoint
/// ```
struct PowerRule {
    /// What each state in which the step can be done becomes.
    let changes: [MachineState: MachineState]
    /// What the step needs, as messages say it.
    private let need: String

    /// The rule of a step; nil for one that can be done in every state.
    init?(of action: Action) {
        switch action {
        case .start: self.init("a machine that is off or saved", [.off: .running, .saved: .running])
        case .shutDown: self.init("a running machine", [.running: .off])
        case .turnOff: self.init("a running machine", [.running: .off, .paused: .off, .saved: .off])
        case .pause: self.init("a running machine", [.running: .paused])
        case .resume: self.init("a paused machine", [.paused: .running])
        case .save: self.init("a running or paused machine", [.running: .saved, .paused: .saved])
        case .reset: self.init("a running or paused machine", [.running: .running, .paused: .paused])
        case .waitForReboot, .waitForConsole, .run, .type: self.init("a running machine", [.running: .running])
        case .change(_, let change):
            guard change.isOfHardware else { return nil }
            self.init("a machine that is off", [.off: .off])
        case .attach, .detach: self.init("a machine that is off", [.off: .off])
        case .checkpoint, .revert, .apply, .deleteCheckpoint, .renameCheckpoint, .exportCheckpoint, .fork: return nil
        }
    }

    private init(_ need: String, _ changes: [MachineState: MachineState]) {
        self.need = need
        self.changes = changes
    }

    /// Why the step cannot be done in any of some states, and what to do about it; nil when it can in one.
    func problem(
        of action: Action, on machine: MachineName, in states: Set<MachineState>, since: SourceLocation?
    ) -> (message: String, suggestion: String)? {
        guard states.isDisjoint(with: changes.keys) else { return nil }
        let found = MachineState.allCases.filter(states.contains)
        let since = since.map { ", since \($0)" } ?? ""
        if let state = found.first, found.count == 1, let remedy = Self.remedy(action, already: state) {
            return ("machine \(machine.quoted) is \(state) already\(since)", remedy)
        }
        let names = found.map(\.description).joined(separator: " or ")
        return (
            "\(action.word) needs \(need), and \(machine.quoted) is \(names)\(since)",
            remedy(in: found.first ?? .off)
        )
    }

    /// What to do first when the machine is what the step would make it.
    private static func remedy(_ action: Action, already state: MachineState) -> String? {
        switch (action, state) {
        case (.start, .running): "shut it down or turn it off first"
        case (.pause, .paused): "resume it first"
        case (.resume, .running): "pause it first"
        case (.save, .saved): "start it first"
        default: nil
        }
    }

    private func remedy(in state: MachineState) -> String {
        if Set(changes.keys) == [.off] {
            return switch state {
            case .off, .running: "shut it down or turn it off first"
            case .paused: "turn it off first"
            case .saved: "start it and shut it down first, or turn it off, which discards what was saved"
            }
        }
        return switch state {
        case .off, .saved: changes[.running] == nil ? "start it instead" : "start it first"
        case .paused: changes[.running] == nil ? "resume it, or turn it off first" : "resume it first"
        case .running: "turn it off first"
        }
    }
}
