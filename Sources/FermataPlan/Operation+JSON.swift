// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Hashing

extension Operation {
    /// The operation as a JSON object.
    ///
    /// A step's members are those of the recipe's step, its machine always named, or its machines; preparation and end
    /// have words of their own.
    public func jsonValue(number: Int) -> JSON {
        var members = kind.jsonMembers
        members["number"] = .integer(number)
        members["phase"] = .string(phase.word)
        members["step"] = step.map { .integer($0) }
        members["at"] = at?.jsonValue
        members["summary"] = .string(summary)
        return .object(members)
    }
}

extension Operation.Phase {
    fileprivate var word: String {
        switch self {
        case .preparation: "preparation"
        case .step: "step"
        case .end: "end"
        }
    }
}

extension Operation.Kind {
    fileprivate var jsonMembers: [String: JSON] {
        switch self {
        case .deleteMachine(let name, let id):
            ["do": "deleteMachine", "machine": .string(name.description), "id": .string(id.description)]
        case .createMachine(let new): new.jsonMembers.merging(["do": "createMachine"]) { $1 }
        case .recreateMachine(let new, let id):
            new.jsonMembers.merging(["do": "recreateMachine", "replacing": .string(id.description)]) { $1 }
        case .returnToOrigin(let name, let back):
            [
                "do": "returnToOrigin", "machine": .string(name.description), "id": .string(back.machine.description),
                "origin": .string(back.origin.description),
                "deleting": .array(
                    back.deleting.map {
                        ["id": .string($0.id.description), "name": .string($0.name.description)]
                    }),
            ].merging(back.discardsSaved ? ["discardsSaved": true] : [:]) { $1 }
        case .createOrigin(let name, let owner):
            ["do": "createOrigin", "machine": .string(name.description), "owner": owner.jsonValue]
        case .start(let name): Step(.start(name)).members
        case .shutDown(let name, let within, let orElse): Step(.shutDown(name, within: within, orElse: orElse)).members
        case .turnOff(let name): Step(.turnOff(name)).members
        case .pause(let name): Step(.pause(name)).members
        case .resume(let name): Step(.resume(name)).members
        case .save(let name): Step(.save(name)).members
        case .reset(let name): Step(.reset(name)).members
        case .waitForReboot(let name, let within): Step(.waitForReboot(name, within: within)).members
        case .waitForConsole(let name, let text, let within): Step(.waitForConsole(name, text, within: within)).members
        case .run(let name, let command, let expect, let within):
            Step(.run(name, command, expect: expect, within: within)).members
        case .type(let name, let text): Step(.type(name, text)).members
        case .checkpoint(let new):
            Step(.checkpoint(new.name, of: new.machine, replace: new.replacing, notes: new.notes, kind: new.kind))
                .members.merging(["owner": new.owner.jsonValue, "withMemory": .bool(new.withMemory)]) { $1 }
        case .revert(let name, let target):
            target.map { Step(.revert(name)).members.merging(["to": .string($0.description)]) { $1 } }
                ?? Step(.revert(name)).members
        case .apply(let checkpoint, let name): Step(.apply(checkpoint, of: name)).members
        case .deleteCheckpoint(let checkpoint, let name, let scope):
            Step(.deleteCheckpoint(checkpoint, of: name, scope)).members
        case .renameCheckpoint(let checkpoint, let name, let new):
            Step(.renameCheckpoint(checkpoint, of: name, to: new)).members
        case .exportCheckpoint(let checkpoint, let name, let place, let flattened, let withMemory):
            Step(.exportCheckpoint(checkpoint, of: name, to: place, flattened: flattened, memory: withMemory)).members
        case .fork(let new):
            Step(.fork(new.name, of: new.source, from: new.checkpoint)).members
                .merging(["owner": new.owner.jsonValue, "withMemory": .bool(new.withMemory)]) { $1 }
        case .change(let name, let change): Step(.change(name, change)).members
        case .attach(let name, let disk): Step(.attach(name, disk)).members
        case .detach(let name, let disk): Step(.detach(name, disk: disk)).members
        case .together(let kinds):
            (kinds.first?.jsonMembers ?? [:]).filter { $0.key != "machine" && $0.key != "withMemory" }
                .merging(["machines": .array(machines.map { .string($0.description) })]) { $1 }
        }
    }
}

extension Step {
    /// The members of the step's object in a recipe.
    fileprivate var members: [String: JSON] {
        if case .object(let members) = jsonValue { members } else { [:] }
    }
}

extension NewMachine {
    fileprivate var jsonMembers: [String: JSON] {
        [
            "machine": .string(definition.name.description),
            "definition": definition.jsonValue,
            "owner": owner.jsonValue,
            "files": .array(
                files.map {
                    [
                        "path": .string($0.path), "sha256": .string($0.digest.description),
                        "size": .integer($0.size.bytes),
                    ]
                }),
        ]
    }
}

extension RecipeOwnership {
    fileprivate var jsonValue: JSON {
        ["recipe": .string(recipe), "definition": .string(definition)]
    }
}
