// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel

/// The first line of a connection, by which the host says who it is.
struct ControlGreeting: ControlResult {
    /// The protocol's name, the same in every version.
    static let format = "fermata-control"
    /// The version that this build speaks.
    static let version = 1

    /// The machine's identity.
    let machine: GUID
    /// The host's process.
    let process: Int32

    var members: [String: JSON] {
        [
            "format": .string(Self.format), "version": .integer(Self.version), "machine": .string(machine.description),
            "process": .integer(process),
        ]
    }

    init(machine: GUID, process: Int32) {
        self.machine = machine
        self.process = process
    }

    init(_ message: ControlMessage) throws(ControlViolation) {
        guard try message.text("format") == Self.format else {
            throw ControlViolation(description: "who listens there is no host of a machine")
        }
        let version: Int = try message.requiredInteger("version")
        guard version == Self.version else {
            throw ControlViolation(
                description:
                    "its host speaks version \(version) of the protocol, this program \(Self.version); use the "
                    + "program that hosts it, or turn the machine off there")
        }
        machine = try message.identity("machine")
        process = try message.requiredInteger("process")
    }
}
