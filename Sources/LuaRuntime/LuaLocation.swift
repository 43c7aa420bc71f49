// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A line of a script.
public struct LuaLocation: Hashable, Sendable, CustomStringConvertible {
    /// The chunk's name, as it was given when the chunk was loaded: usually its file's path.
    public var chunk: String
    /// The line, counted from 1.
    public var line: Int

    /// Makes a location.
    public init(chunk: String, line: Int) {
        self.chunk = chunk
        self.line = line
    }

    /// The form that compilers and editors use, such as `labs/web.lua:12`.
    public var description: String { "\(chunk):\(line)" }
}
