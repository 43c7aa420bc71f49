// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What is asked of the folder in which a socket is made.
public enum SocketFolder: Hashable, Sendable {
    /// It is the user's own with mode 0700, and is made when it is missing.
    case `private`
    /// It exists, and others may look into it; the socket's own mode keeps them out.
    case existing
}
