// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a file or disk is opened for.
public enum FileAccess: Hashable, Sendable {
    /// Nothing about the file is ever changed.
    case readOnly
    /// Bytes can be written.
    case readWrite
}
