// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel

extension ConsoleOutput: ControlResult {
    var members: [String: JSON] {
        ["next": .integer(next), "parts": .array(parts.map { .object($0.members) })]
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        var parts: [Part] = []
        for object in try message.required(message.objects("parts"), "parts") { parts.append(try Part(object)) }
        self.init(parts: parts, next: try message.requiredInteger("next"))
    }
}

extension ConsoleOutput.Part {
    fileprivate var members: [String: JSON] {
        switch self {
        case .text(let bytes): ["text": .bytes(bytes)]
        case .started: ["started": true]
        case .restored(let name): ["restored": .string(name.description)]
        case .lost(let count): ["lost": .integer(count)]
        }
    }

    fileprivate init(_ message: ControlMessage) throws(ControlViolation) {
        if let name = try message.text("restored") {
            self = .restored(CheckpointName(name))
        } else if let count: Int = try message.integer("lost") {
            self = .lost(count)
        } else if try message.flag("started") {
            self = .started
        } else {
            self = .text(try message.requiredBytes("text"))
        }
    }
}
