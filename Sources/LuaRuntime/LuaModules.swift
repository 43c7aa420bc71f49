// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The text of a module, and the name by which errors call it.
public struct LuaModule: Sendable {
    /// The file's path, as errors shall show it.
    public var name: String
    /// The module's text.
    public var source: LuaString

    /// Makes a module.
    public init(name: String, source: LuaString) {
        self.name = name
        self.source = source
    }
}

/// `require`, for modules that the host finds.
public enum LuaModules {
    /// Returns the module of a name such as `web` or `parts.disk`, or nil when there is none.
    ///
    /// The name is made of letters, digits, `_` and `-`, with single dots between; it never leads out of a folder.
    public typealias Finder = (_ name: String) throws -> LuaModule?

    static func install(in context: LuaContext, finder: @escaping Finder) throws(LuaError) {
        let loaded = try context.makeTable()
        var loading: [String] = []
        try context.setGlobal("require") { call in
            let name = try call.string(0)
            let known = try loaded.rawGet(LuaValue(name))
            guard known.isNil else { return [known] }
            guard isValid(name) else {
                throw LuaError(
                    .module, "'\(name)' is no name of a module: use letters, digits, '_' and '-', with dots for folders"
                )
            }
            guard !loading.contains(name) else {
                let path = (loading + [name]).joined(separator: " requires ")
                throw LuaError(.module, "module '\(name)' requires itself: \(path)")
            }
            guard let module = try finder(name) else {
                throw LuaError(.module, "there is no module '\(name)' beside the script")
            }
            loading.append(name)
            defer { loading.removeLast() }
            let chunk = try call.context.load(module.source.bytes, name: module.name)
            let result = try chunk.call([LuaValue(name), LuaValue(module.name)]).first ?? .nil
            let value = result.isNil ? .boolean(true) : result
            try loaded.rawSet(LuaValue(name), value)
            return [value]
        }
    }

    private static func isValid(_ name: String) -> Bool {
        name.utf8.count <= 200
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                            true
                        default: false
                        }
                    }
            }
    }
}
