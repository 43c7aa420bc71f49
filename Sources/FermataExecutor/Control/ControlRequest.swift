// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import SystemPackage

/// What a client of a control socket can ask for; one case for each word of the protocol.
enum ControlRequest: Sendable {
    case status
    case start
    case shutDown(within: TimeSpan, orElse: Action.ShutDownFallback)
    case turnOff
    case pause
    case resume
    case save
    case reset
    case waitForReboot(within: TimeSpan)
    case checkpoint(CheckpointRequest)
    case apply(GUID, RestoreEnding, toTrash: Bool)
    case revert(RestoreEnding, toTrash: Bool)
    case delete([GUID], toTrash: Bool)
    case restoreFromTrash(GUID, as: CheckpointName?)
    case emptyTrash(olderThan: Int?, keeping: UInt64?)
    /// A part of what several machines do at one moment; the descriptor is where they meet.
    case join(JointOperation, ControlDescriptor)
    case fork(GUID, as: MachineName, withMemory: Bool)
    case promote
    case export(GUID?, to: FilePath, flattened: Bool, withMemory: Bool)
    case changeCheckpoint(GUID, name: CheckpointName?, notes: String?)
    case mergeDisks(rate: UInt64?)
    case stopMergingDisks
    case change(HardwareChange)
    case run(Action.Command, within: TimeSpan)
    /// A command whose input and output are the client's own descriptors.
    case execute(Action.Command, ControlStreams, within: TimeSpan?)
    case type([UInt8])
    case readConsole(from: Int?)
    case waitForConsole(Action.ConsoleText, within: TimeSpan)
    /// From its answer on, the connection tells events.
    case subscribe
    /// Ends the wait of another request of the same connection.
    case cancel(UInt64)

    /// Whether it only waits for what the guest does: it ends when its client is gone.
    ///
    /// All others go on to their end, so that the machine is never left between two states.
    var isWait: Bool {
        switch self {
        case .shutDown, .run, .execute, .type, .readConsole, .waitForConsole, .waitForReboot: true
        case .status, .start, .pause, .resume, .save, .turnOff, .reset, .checkpoint, .apply, .revert, .delete,
            .join, .restoreFromTrash, .emptyTrash, .fork, .promote, .export, .changeCheckpoint, .mergeDisks,
            .stopMergingDisks, .change, .cancel, .subscribe:
            false
        }
    }

    /// The request as a message; its `id` is for the connection to add.
    var message: ControlMessage {
        switch self {
        case .status: message("status")
        case .start: message("start")
        case .shutDown(let within, let orElse):
            message("shutDown", ["within": .integer(within.milliseconds), "orElse": .string(orElse.rawValue)])
        case .turnOff: message("turnOff")
        case .pause: message("pause")
        case .resume: message("resume")
        case .save: message("save")
        case .reset: message("reset")
        case .waitForReboot(let within): message("waitForReboot", ["within": .integer(within.milliseconds)])
        case .subscribe: message("subscribe")
        case .checkpoint(let request): message("checkpoint", request.members)
        case .apply(let id, let ending, let isTrashing):
            message(
                "apply",
                [
                    "checkpoint": .string(id.description), "ending": .string(ending.rawValue),
                    "forGood": .bool(!isTrashing),
                ])
        case .revert(let ending, let isTrashing):
            message("revert", ["ending": .string(ending.rawValue), "forGood": .bool(!isTrashing)])
        case .delete(let ids, let isTrashing):
            message(
                "delete",
                ["checkpoints": .array(ids.map { .string($0.description) }), "forGood": .bool(!isTrashing)])
        case .restoreFromTrash(let id, let name):
            message(
                "restoreFromTrash",
                ["checkpoint": .string(id.description)].merging(
                    name.map { ["name": .string($0.description)] } ?? [:]
                ) { $1 })
        case .emptyTrash(let age, let bytes):
            message(
                "emptyTrash",
                [
                    "olderThan": age.map { JSON.integer($0) }, "keep": bytes.map { JSON.integer(Int(clamping: $0)) },
                ].compactMapValues(\.self))
        case .join(let operation, let place): message("join", operation.members, nil, [place])
        case .fork(let id, let name, let withMemory):
            message(
                "fork",
                [
                    "checkpoint": .string(id.description), "name": .string(name.description),
                    "memory": .bool(withMemory),
                ])
        case .promote: message("promote")
        case .export(let id, let place, let flattened, let withMemory):
            message(
                "export",
                [
                    "to": .string(place.string), "flattened": .bool(flattened), "memory": .bool(withMemory),
                ].merging(id.map { ["checkpoint": .string($0.description)] } ?? [:]) { $1 })
        case .changeCheckpoint(let id, let name, let notes):
            message(
                "changeCheckpoint",
                ["checkpoint": .string(id.description)].merging(
                    ["name": name.map { .string($0.description) }, "notes": notes.map { .string($0) }]
                        .compactMapValues { (value: JSON?) in value }
                ) { $1 })
        case .mergeDisks(let rate): message("mergeDisks", rate.map { ["rate": .integer(Int(clamping: $0))] } ?? [:])
        case .stopMergingDisks: message("stopMergingDisks")
        case .change(let change): message("change", change.members)
        case .run(let command, let within):
            message("run", command.members.merging(["within": .integer(within.milliseconds)]) { $1 })
        case .execute(let command, let streams, let within):
            message("execute", command.members.merging(streams.members) { $1 }, within, streams.descriptors)
        case .type(let bytes): message("type", ["bytes": .bytes(bytes)])
        case .readConsole(let position):
            message("readConsole", position.map { ["from": .integer($0)] } ?? [:])
        case .waitForConsole(let text, let within):
            message("waitForConsole", text.members.merging(["within": .integer(within.milliseconds)]) { $1 })
        case .cancel(let id): message("cancel", ["of": .integer(id)])
        }
    }

    private func message(
        _ word: String, _ members: [String: JSON] = [:], _ within: TimeSpan? = nil,
        _ descriptors: [ControlDescriptor] = []
    ) -> ControlMessage {
        var members = members
        members["request"] = .string(word)
        members["within"] = within.map { .integer($0.milliseconds) } ?? members["within"]
        return ControlMessage(members, descriptors)
    }

    /// Reads a request; nil for a word that this version does not know.
    init?(_ message: ControlMessage) throws(ControlViolation) {
        switch try message.requiredText("request") {
        case "status": self = .status
        case "start": self = .start
        case "shutDown":
            self = .shutDown(within: try message.span("within"), orElse: try message.word("orElse") ?? .fail)
        case "turnOff": self = .turnOff
        case "pause": self = .pause
        case "resume": self = .resume
        case "save": self = .save
        case "reset": self = .reset
        case "waitForReboot": self = .waitForReboot(within: try message.span("within"))
        case "subscribe": self = .subscribe
        case "checkpoint": self = .checkpoint(try CheckpointRequest(message))
        case "apply":
            self = .apply(
                try message.identity("checkpoint"), try message.word("ending") ?? .asCheckpoint,
                toTrash: try !message.flag("forGood"))
        case "revert":
            self = .revert(try message.word("ending") ?? .asCheckpoint, toTrash: try !message.flag("forGood"))
        case "delete":
            var ids: [GUID] = []
            for text in try message.required(message.texts("checkpoints"), "checkpoints") {
                ids.append(try message.required(GUID(text), "checkpoints"))
            }
            self = .delete(ids, toTrash: try !message.flag("forGood"))
        case "restoreFromTrash":
            self = .restoreFromTrash(
                try message.identity("checkpoint"), as: try message.text("name").map { CheckpointName($0) })
        case "emptyTrash":
            self = .emptyTrash(
                olderThan: try message.integer("olderThan"),
                keeping: try message.integer("keep").map { UInt64(clamping: $0 as Int) })
        case "join":
            guard let place = message.descriptors.first, message.descriptors.count == 1 else {
                throw ControlViolation(description: "\"join\" needs one descriptor")
            }
            self = .join(try JointOperation(message), place)
        case "fork":
            self = .fork(
                try message.identity("checkpoint"), as: MachineName(try message.requiredText("name")),
                withMemory: try message.flag("memory"))
        case "promote": self = .promote
        case "export":
            self = .export(
                try message.text("checkpoint") == nil ? nil : message.identity("checkpoint"),
                to: FilePath(try message.requiredText("to")),
                flattened: try message.flag("flattened"), withMemory: try message.flag("memory"))
        case "changeCheckpoint":
            self = .changeCheckpoint(
                try message.identity("checkpoint"), name: try message.text("name").map { CheckpointName($0) },
                notes: try message.text("notes"))
        case "mergeDisks": self = .mergeDisks(rate: try message.integer("rate").map { UInt64(clamping: $0 as Int) })
        case "stopMergingDisks": self = .stopMergingDisks
        case "change": self = .change(try HardwareChange(message))
        case "run": self = .run(try Action.Command(message), within: try message.span("within"))
        case "execute":
            self = .execute(
                try Action.Command(message), try ControlStreams(message),
                within: try message.integer("within").map { .milliseconds($0) })
        case "type": self = .type(try message.requiredBytes("bytes"))
        case "readConsole": self = .readConsole(from: try message.integer("from"))
        case "waitForConsole":
            self = .waitForConsole(try Action.ConsoleText(message), within: try message.span("within"))
        case "cancel": self = .cancel(try message.requiredInteger("of"))
        default: return nil
        }
    }
}

extension CheckpointRequest {
    var members: [String: JSON] {
        var members: [String: JSON] = ["name": .string(name.description), "replace": .bool(replaces)]
        members["notes"] = notes.map { .string($0) }
        if isOrigin { members["origin"] = true }
        if kind != .standard { members["kind"] = .string(kind.rawValue) }
        members["labCheckpoint"] = labCheckpoint.map { .string($0.description) }
        members["owner"] = owner.map { ["recipe": .string($0.recipe), "definition": .string($0.definition)] }
        return members
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        var owner: RecipeOwnership?
        if let object = try message.object("owner") {
            owner = RecipeOwnership(
                recipe: try object.requiredText("recipe"), definition: try object.requiredText("definition"))
        }
        self.init(
            name: CheckpointName(try message.requiredText("name")), notes: try message.text("notes"), owner: owner,
            replaces: try message.flag("replace"), isOrigin: try message.flag("origin"),
            kind: try message.word("kind") ?? .standard)
        if try message.text("labCheckpoint") != nil { labCheckpoint = try message.identity("labCheckpoint") }
    }
}

extension Action.Command {
    fileprivate var members: [String: JSON] {
        switch self {
        case .shell(let line): ["shell": .string(line)]
        case .arguments(let arguments): ["arguments": .array(arguments.map { .string($0) })]
        }
    }

    fileprivate init(_ message: ControlMessage) throws(ControlViolation) {
        if let line = try message.text("shell") {
            self = .shell(line)
        } else {
            self = .arguments(try message.required(message.texts("arguments"), "arguments"))
        }
    }
}

extension Action.ConsoleText {
    fileprivate var members: [String: JSON] {
        switch self {
        case .plain(let text): ["text": .string(text)]
        case .pattern(let pattern): ["pattern": .string(pattern)]
        }
    }

    fileprivate init(_ message: ControlMessage) throws(ControlViolation) {
        if let text = try message.text("text") {
            self = .plain(text)
        } else {
            self = .pattern(try message.requiredText("pattern"))
        }
    }
}
