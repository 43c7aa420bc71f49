// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel

/// A value that a request of the control protocol is answered with.
protocol ControlResult: Sendable {
    /// Reads the members of a result.
    init(_ message: ControlMessage) throws(ControlViolation)

    /// The members of the result.
    var members: [String: JSON] { get }
}

/// The result of a request that only succeeds or fails.
struct ControlDone: ControlResult {
    var members: [String: JSON] { [:] }

    init() {}

    init(_ message: ControlMessage) throws(ControlViolation) {}
}

/// The result that is a text.
struct ControlText: ControlResult {
    let text: String

    var members: [String: JSON] { ["text": .string(text)] }

    init(_ text: String) {
        self.text = text
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        text = try message.requiredText("text")
    }
}

/// The result that is an identity.
struct ControlIdentity: ControlResult {
    let id: GUID

    var members: [String: JSON] { ["id": .string(id.description)] }

    init(_ id: GUID) {
        self.id = id
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        id = try message.identity("id")
    }
}

/// The result that is an exit code.
struct ControlCode: ControlResult {
    let code: Int

    var members: [String: JSON] { ["exitCode": .integer(code)] }

    init(_ code: Int) {
        self.code = code
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        code = try message.requiredInteger("exitCode")
    }
}

/// The result that is a number of bytes.
struct ControlCopied: ControlResult {
    let copied: UInt64

    var members: [String: JSON] { ["copied": .integer(Int(clamping: copied))] }

    init(_ copied: UInt64) {
        self.copied = copied
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        copied = UInt64(clamping: try message.requiredInteger("copied") as Int)
    }
}

extension TrashOutcome: ControlResult {
    var members: [String: JSON] { ["count": .integer(count), "bytes": .integer(Int(clamping: bytes))] }

    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(
            count: try message.requiredInteger("count"),
            bytes: UInt64(clamping: try message.requiredInteger("bytes") as Int))
    }
}

extension CheckpointOutcome: ControlResult {
    var members: [String: JSON] {
        [
            "id": .string(id.description), "name": .string(name.description),
            "pauseMicroseconds": .integer(pauseMicroseconds), "durableMilliseconds": .integer(durableMilliseconds),
        ]
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(
            id: try message.identity("id"), name: CheckpointName(try message.requiredText("name")),
            pauseMicroseconds: try message.requiredInteger("pauseMicroseconds"),
            durableMilliseconds: try message.requiredInteger("durableMilliseconds"))
    }
}

extension RestoreOutcome: ControlResult {
    var members: [String: JSON] {
        var members: [String: JSON] = [
            "checkpoint": .string(checkpoint.description), "way": .string(way.rawValue),
            "microseconds": .integer(microseconds),
        ]
        members["pauseMicroseconds"] = pauseMicroseconds.map { .integer($0) }
        return members
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(
            checkpoint: try message.identity("checkpoint"), way: try message.required(message.word("way"), "way"),
            microseconds: try message.requiredInteger("microseconds"),
            pauseMicroseconds: try message.integer("pauseMicroseconds"))
    }
}

extension CommandResult: ControlResult {
    var members: [String: JSON] {
        [
            "exitCode": .integer(exitCode), "standardOutput": .bytes(standardOutput),
            "standardError": .bytes(standardError), "isTruncated": .bool(isTruncated),
        ]
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(
            exitCode: try message.requiredInteger("exitCode"),
            standardOutput: try message.requiredBytes("standardOutput"),
            standardError: try message.requiredBytes("standardError"), isTruncated: try message.flag("isTruncated"))
    }
}

extension EngineError {
    /// The members of an error as the protocol tells it: its code, and its sentence unchanged.
    var members: [String: JSON] { ["code": .string(code.description), "message": .string(description)] }

    /// The error to tell for whatever was thrown.
    init(telling error: any Error) {
        self = error as? EngineError ?? EngineError(.system, "\(error)", underlying: error)
    }

    /// Reads an error that was told; a code that this version does not know becomes the system's.
    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(Code(try message.requiredText("code")) ?? .system, try message.requiredText("message"))
    }
}

extension MachineStatus: ControlResult {
    var members: [String: JSON] {
        var members: [String: JSON] = ["state": .string(state.rawValue)]
        members["reason"] = reason.map { .string($0) }
        members["activity"] = activity.map { .string($0) }
        return members
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        self.init(
            state: try message.required(message.word("state"), "state"), reason: try message.text("reason"),
            activity: try message.text("activity"))
    }
}
