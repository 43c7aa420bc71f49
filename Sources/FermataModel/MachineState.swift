// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a machine is doing.
public enum MachineState: String, Hashable, Sendable, Codable, CaseIterable, CustomStringConvertible {
    /// It has no power.
    case off
    /// Its processors run.
    case running
    /// Its processors stand still, its memory is held.
    case paused
    /// It is off, and its memory lies on disk.
    case saved

    /// Whether a process holds the machine's memory.
    public var hasPower: Bool {
        switch self {
        case .off, .saved: false
        case .running, .paused: true
        }
    }

    /// The word.
    public var description: String { rawValue }
}
