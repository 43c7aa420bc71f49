// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel

extension MachineEvent {
    /// The members of an event as the control protocol tells it.
    var members: [String: JSON] {
        var members: [String: JSON] = ["time": .integer(time)]
        switch kind {
        case .state(let state, let reason):
            members["kind"] = "state"
            members["state"] = .string(state.rawValue)
            members["reason"] = reason.map { .string($0) }
        case .guestPoweredOff: members["kind"] = "guestPoweredOff"
        case .guestRestarted: members["kind"] = "guestRestarted"
        case .guestPanicked: members["kind"] = "guestPanicked"
        case .diskFailed(let disk):
            members["kind"] = "diskFailed"
            members["disk"] = .string(disk)
        case .processEnded(let reason):
            members["kind"] = "processEnded"
            members["reason"] = reason.map { .string($0) }
        case .checkpointed(let name, let id):
            members["kind"] = "checkpointed"
            members["name"] = .string(name.description)
            members["id"] = .string(id.description)
        case .restored(let id):
            members["kind"] = "restored"
            members["id"] = .string(id.description)
        }
        return members
    }

    /// Reads an event; nil for a kind that this version does not know.
    init?(_ message: ControlMessage) throws(ControlViolation) {
        let kind: Kind
        switch try message.requiredText("kind") {
        case "state":
            kind = .state(try message.required(message.word("state"), "state"), reason: try message.text("reason"))
        case "guestPoweredOff": kind = .guestPoweredOff
        case "guestRestarted": kind = .guestRestarted
        case "guestPanicked": kind = .guestPanicked
        case "diskFailed": kind = .diskFailed(try message.requiredText("disk"))
        case "processEnded": kind = .processEnded(try message.text("reason"))
        case "checkpointed":
            kind = .checkpointed(CheckpointName(try message.requiredText("name")), try message.identity("id"))
        case "restored": kind = .restored(try message.identity("id"))
        default: return nil
        }
        self.init(time: try message.requiredInteger("time"), kind: kind)
    }
}
