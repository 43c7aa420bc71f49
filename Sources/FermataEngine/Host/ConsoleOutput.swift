// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// What a reader of a console gets at once.
public struct ConsoleOutput: Hashable, Sendable {
    /// A piece of it.
    public enum Part: Hashable, Sendable {
        /// What the guest wrote.
        case text([UInt8])
        /// The machine started: what follows is of another guest.
        case started
        /// The machine was restored to that checkpoint: what the guest wrote after that moment has not happened.
        case restored(CheckpointName)
        /// So much was forgotten before it was read.
        case lost(Int)
    }

    /// The pieces in their order; none once the machine has no power and everything is read.
    public var parts: [Part]
    /// From where to read on.
    public var next: Int

    /// Makes an output.
    public init(parts: [Part], next: Int) {
        self.parts = parts
        self.next = next
    }

    /// The text of all pieces.
    public var text: [UInt8] {
        parts.flatMap { part -> [UInt8] in
            guard case .text(let bytes) = part else { return [] }
            return bytes
        }
    }
}

extension ConsoleOutput.Part {
    /// What is said of it between two texts; empty for a text.
    public var sentence: String {
        switch self {
        case .text: ""
        case .started: "started"
        case .restored(let name): "restored to checkpoint '\(name)'"
        case .lost(let count): "\(count) bytes were not read in time"
        }
    }
}
