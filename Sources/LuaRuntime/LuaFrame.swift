// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One call of a traceback.
public struct LuaFrame: Hashable, Sendable, CustomStringConvertible {
    /// What was called.
    public enum Kind: Hashable, Sendable {
        /// The body of a chunk.
        case chunk
        /// A function written in Lua.
        case script
        /// A function of the host.
        case host
        /// A function of Lua's own libraries.
        case library
    }

    /// What was called.
    public var kind: Kind
    /// The name of the function, if it has one that is known.
    public var name: String?
    /// The line that was running, in a chunk or a script's function.
    public var location: LuaLocation?

    /// Makes a frame.
    public init(kind: Kind, name: String? = nil, location: LuaLocation? = nil) {
        self.kind = kind
        self.name = name
        self.location = location
    }

    /// One line, such as `web.lua:12: in function 'setUp'`.
    public var description: String {
        let place =
            switch kind {
            case .chunk: "in the chunk"
            case .script: name.map { "in function '\($0)'" } ?? "in a function"
            case .host: "in host function '\(name ?? "?")'"
            case .library: "in library function '\(name ?? "?")'"
            }
        return location.map { "\($0): \(place)" } ?? place
    }
}
