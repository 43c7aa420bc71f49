// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Glibc
import SystemPackage

extension JointOperation {
    /// The operation as members of a request.
    var members: [String: JSON] {
        switch self {
        case .checkpoint(let request, let id):
            ["part": "checkpoint", "checkpoint": .object(request.members), "identity": .string(id.description)]
        case .restore(let checkpoint, let ending, let id, let isTrashing):
            [
                "part": "restore", "target": .string(checkpoint.description), "ending": .string(ending.rawValue),
                "identity": .string(id.description), "forGood": .bool(!isTrashing),
            ]
        case .delete(let checkpoint, let lab):
            ["part": "delete", "target": .string(checkpoint.description), "identity": .string(lab.description)]
        case .rename(let checkpoint, let name, let lab):
            [
                "part": "rename", "target": .string(checkpoint.description), "name": .string(name.description),
                "identity": .string(lab.description),
            ]
        }
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        let id = try message.identity("identity")
        switch try message.requiredText("part") {
        case "checkpoint":
            let request = try message.required(message.object("checkpoint"), "checkpoint")
            self = .checkpoint(try CheckpointRequest(request), as: id)
        case "restore":
            self = .restore(
                try message.identity("target"), try message.word("ending") ?? .asCheckpoint, by: id,
                toTrash: try !message.flag("forGood"))
        case "delete": self = .delete(try message.identity("target"), of: id)
        case "rename":
            self = .rename(
                try message.identity("target"), to: CheckpointName(try message.requiredText("name")), of: id)
        default: throw ControlViolation(description: "\"part\" is none that this version knows")
        }
    }
}

extension JointOutcome: ControlResult {
    var members: [String: JSON] {
        var members: [String: JSON] = [:]
        members["pauseMicroseconds"] = pauseMicroseconds.map { .integer($0) }
        members["way"] = way.map { .string($0.rawValue) }
        return members
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(
            pauseMicroseconds: try message.integer("pauseMicroseconds"), way: try message.word("way"))
    }
}

extension ControlDescriptor {
    /// The place where machines meet that came with a request.
    func rendezvous() throws(EngineError) -> Rendezvous {
        let copy = fcntl(rawValue, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else {
            throw EngineError(.system, "the machines cannot be joined: \(Errno(rawValue: errno))")
        }
        return Rendezvous(owning: FileDescriptor(rawValue: copy))
    }
}
