// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation

/// How much memory this computer has left.
enum HostMemory {
    /// Refuses a machine for which there is not enough.
    ///
    /// - Throws: ``EngineError/Code/system`` with both sizes, before anything has happened.
    static func require(_ memory: UInt64, for name: MachineName) throws(EngineError) {
        guard let available, available < memory else { return }
        throw EngineError(
            .system,
            "machine '\(name)' needs \(ByteSize(bytes: memory)) of memory, and this computer has "
                + "\(ByteSize(bytes: available - available % (1 << 20))) left; turn another machine off, or give this one less"
        )
    }

    /// The bytes that can be taken without swapping, as Linux estimates them; nil where it does not.
    static var available: UInt64? {
        guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 << 10 }
    }
}
