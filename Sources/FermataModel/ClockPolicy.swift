// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a guest's time of day is after a restore.
public enum ClockPolicy: String, Hashable, Sendable, Codable, CaseIterable {
    /// It goes on from the checkpoint's: the guest sees no time pass.
    case `continue`
    /// The guest is told the host's time, by its agent.
    case host
}
