// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Action {
    /// How long a step waits when nothing is said.
    public static let defaultWithin: TimeSpan = .seconds(60)

    /// The members of the step's JSON object, without its location.
    var jsonMembers: [String: JSON] {
        var members: [String: JSON] = ["do": .string(word)]
        members["machine"] = machine.map { .string($0.description) }
        switch self {
        case .start, .turnOff, .pause, .resume, .save, .reset, .revert: break
        case .waitForReboot(_, let within): members["within"] = .integer(within.milliseconds)
        case .type(_, let text): members["text"] = .string(text)
        case .shutDown(_, let within, let orElse):
            members["within"] = .integer(within.milliseconds)
            if orElse != .fail { members["orElse"] = .string(orElse.rawValue) }
        case .waitForConsole(_, let text, let within):
            switch text {
            case .plain(let text): members["text"] = .string(text)
            case .pattern(let pattern): members["pattern"] = .string(pattern)
            }
            members["within"] = .integer(within.milliseconds)
        case .run(_, let command, let expect, let within):
            switch command {
            case .shell(let text): members["shell"] = .string(text)
            case .arguments(let arguments): members["arguments"] = .array(arguments.map { .string($0) })
            }
            if expect != .success { members["expect"] = expect.jsonValue }
            members["within"] = .integer(within.milliseconds)
        case .checkpoint(let name, _, let replace, let notes, let kind):
            members["checkpoint"] = .string(name.description)
            if kind != .standard { members["kind"] = .string(kind.rawValue) }
            if replace { members["replace"] = true }
            members["notes"] = notes.map { .string($0) }
        case .apply(let name, _):
            members["checkpoint"] = .string(name.description)
        case .deleteCheckpoint(let name, _, let scope):
            members["checkpoint"] = .string(name.description)
            if scope != .checkpoint { members["scope"] = .string(scope.rawValue) }
        case .renameCheckpoint(let name, _, let new):
            members["checkpoint"] = .string(name.description)
            members["to"] = .string(new.description)
        case .exportCheckpoint(let name, _, let place, let flattened, let memory):
            members["checkpoint"] = .string(name.description)
            members["to"] = .string(place)
            if flattened { members["flattened"] = true }
            if memory { members["memory"] = true }
        case .fork(let name, _, let checkpoint):
            members["name"] = .string(name.description)
            members["from"] = checkpoint.map { .string($0.description) }
        case .change(_, let change): members.merge(change.jsonMembers) { $1 }
        case .attach(_, let disk):
            members["disk"] = .string(disk.name)
            members["size"] = .integer(disk.size.bytes)
            if disk.format != .vhd { members["format"] = .string(disk.format.rawValue) }
        case .detach(_, let disk): members["disk"] = .string(disk)
        }
        return members
    }

    /// The fields that a step of its word may have.
    static func fields(ofStep value: JSON, at path: String) throws(DocumentError) -> [String] {
        guard case .object(let members) = value else {
            throw DocumentError(.value, path: path, "expected an object, found \(value.kind)")
        }
        guard case .string(let word)? = members["do"] else {
            throw DocumentError(.missing, path: path, "the field \"do\" must hold a word such as \"Start\"")
        }
        guard let fields = fields[word] else {
            throw DocumentError(
                .unknownWord, path: "\(path).do",
                "unknown word \"\(word.shortened(to: 40))\"\(Spelling.hint(for: word, among: fields.keys.sorted()))")
        }
        return ["at", "do", "machine"] + fields
    }

    private static let fields: [String: [String]] = [
        "Start": [],
        "ShutDown": ["orElse", "within"],
        "TurnOff": [],
        "Pause": [],
        "Resume": [],
        "Save": [],
        "Reset": [],
        "WaitForReboot": ["within"],
        "WaitForConsole": ["pattern", "text", "within"],
        "Run": ["arguments", "expect", "shell", "within"],
        "Type": ["text"],
        "Checkpoint": ["checkpoint", "kind", "notes", "replace"],
        "Revert": [],
        "Apply": ["checkpoint"],
        "DeleteCheckpoint": ["checkpoint", "scope"],
        "RenameCheckpoint": ["checkpoint", "to"],
        "ExportCheckpoint": ["checkpoint", "flattened", "memory", "to"],
        "Fork": ["from", "name"],
        "Change": ["arguments", "memory", "notes", "processors"],
        "Attach": ["disk", "format", "size"],
        "Detach": ["disk"],
    ]

    /// Reads a step whose fields were checked.
    init(_ reader: ObjectReader) throws(DocumentError) {
        switch try reader.string("do") {
        case "ShutDown":
            self = .shutDown(
                try reader.machine(), within: try reader.within(), orElse: try ShutDownFallback(reader))
        case "TurnOff": self = .turnOff(try reader.machine())
        case "Pause": self = .pause(try reader.machine())
        case "Resume": self = .resume(try reader.machine())
        case "Save": self = .save(try reader.machine())
        case "Reset": self = .reset(try reader.machine())
        case "WaitForReboot": self = .waitForReboot(try reader.machine(), within: try reader.within())
        case "Type": self = .type(try reader.machine(), try reader.string("text"))
        case "WaitForConsole":
            self = .waitForConsole(try reader.machine(), try ConsoleText(reader), within: try reader.within())
        case "Run":
            self = .run(
                try reader.machine(), try Command(reader), expect: try Expectation(in: reader),
                within: try reader.within())
        case "Checkpoint":
            self = .checkpoint(
                try reader.checkpoint(), of: try reader.optionalMachine(), replace: try reader.bool("replace") ?? false,
                notes: try reader.optionalString("notes"), kind: try reader.word("kind") ?? .standard)
        case "Revert": self = .revert(try reader.optionalMachine())
        case "Apply": self = .apply(try reader.checkpoint(), of: try reader.optionalMachine())
        case "DeleteCheckpoint":
            self = .deleteCheckpoint(
                try reader.checkpoint(), of: try reader.optionalMachine(), try reader.word("scope") ?? .checkpoint)
        case "RenameCheckpoint":
            self = .renameCheckpoint(
                try reader.checkpoint(), of: try reader.optionalMachine(), to: CheckpointName(try reader.string("to")))
        case "ExportCheckpoint":
            self = .exportCheckpoint(
                try reader.checkpoint(), of: try reader.machine(), to: try reader.string("to"),
                flattened: try reader.bool("flattened") ?? false, memory: try reader.bool("memory") ?? false)
        case "Fork":
            self = .fork(
                MachineName(try reader.string("name")), of: try reader.machine(),
                from: try reader.optionalString("from").map { CheckpointName($0) })
        case "Change": self = .change(try reader.machine(), try Change(reader))
        case "Attach":
            _ = try reader.required("size")
            self = .attach(
                try reader.machine(),
                MachineDefinition.Disk(
                    name: try reader.string("disk"),
                    size: ByteSize(bytes: try reader.integer("size", "a number of bytes") ?? 0),
                    format: try reader.word("format") ?? .vhd))
        case "Detach": self = .detach(try reader.machine(), disk: try reader.string("disk"))
        default: self = .start(try reader.machine())
        }
    }
}

extension ObjectReader {
    fileprivate func machine() throws(DocumentError) -> MachineName {
        MachineName(try string("machine"))
    }

    fileprivate func optionalMachine() throws(DocumentError) -> MachineName? {
        try optionalString("machine").map { MachineName($0) }
    }

    fileprivate func checkpoint() throws(DocumentError) -> CheckpointName {
        CheckpointName(try string("checkpoint"))
    }

    fileprivate func within() throws(DocumentError) -> TimeSpan {
        guard let count: UInt64 = try integer("within", "a number of milliseconds") else { return Action.defaultWithin }
        return .milliseconds(count)
    }

    /// Refuses an object that has both or neither of two members.
    fileprivate func exactlyOne(of first: String, _ second: String) throws(DocumentError) {
        guard has(first) != has(second) else {
            let found = has(first) ? "not both" : "found neither"
            throw DocumentError(.missing, path: path, "expected either \"\(first)\" or \"\(second)\", \(found)")
        }
    }
}

extension Action.ShutDownFallback {
    fileprivate init(_ reader: ObjectReader) throws(DocumentError) {
        let text = try reader.optionalString("orElse") ?? Self.fail.rawValue
        guard let fallback = Self(rawValue: text) else {
            throw DocumentError(
                .value, path: reader.path(of: "orElse"),
                "expected \"fail\" or \"turnOff\", found \"\(text.shortened(to: 40))\"")
        }
        self = fallback
    }
}

extension Action.Change {
    fileprivate var jsonMembers: [String: JSON] {
        var members: [String: JSON] = [:]
        members["memory"] = memory.map { .integer($0.bytes) }
        members["processors"] = processors.map { .integer($0) }
        members["arguments"] = arguments.map { .string($0) }
        members["notes"] = notes.map { .string($0) }
        return members
    }

    fileprivate init(_ reader: ObjectReader) throws(DocumentError) {
        let bytes: UInt64? = try reader.integer("memory", "a number of bytes")
        self.init(
            memory: bytes.map { ByteSize(bytes: $0) },
            processors: try reader.integer("processors", "a number of processors"),
            arguments: try reader.optionalString("arguments"), notes: try reader.optionalString("notes"))
    }
}

extension Action.ConsoleText {
    fileprivate init(_ reader: ObjectReader) throws(DocumentError) {
        try reader.exactlyOne(of: "text", "pattern")
        self = reader.has("text") ? .plain(try reader.string("text")) : .pattern(try reader.string("pattern"))
    }
}

extension Action.Command {
    fileprivate init(_ reader: ObjectReader) throws(DocumentError) {
        try reader.exactlyOne(of: "shell", "arguments")
        self = reader.has("shell") ? .shell(try reader.string("shell")) : .arguments(try reader.strings("arguments"))
    }
}

extension Expectation {
    /// The expectation as a JSON object.
    public var jsonValue: JSON {
        .members([
            "exitCode": .integer(exitCode),
            "contains": contains.isEmpty ? nil : .array(contains.map { .string($0) }),
            "lacks": lacks.isEmpty ? nil : .array(lacks.map { .string($0) }),
            "equals": equals.map { .string($0) },
        ])
    }

    /// Reads the member `expect`; success when it is absent.
    fileprivate init(in parent: ObjectReader) throws(DocumentError) {
        self = .success
        guard parent.has("expect") else { return }
        let reader = try ObjectReader(
            parent.required("expect"), at: parent.path(of: "expect"),
            fields: ["contains", "equals", "exitCode", "lacks"])
        if let code: Int = try reader.integer("exitCode", "an exit code") { exitCode = code }
        contains = try reader.strings("contains")
        lacks = try reader.strings("lacks")
        equals = try reader.optionalString("equals")
    }
}
