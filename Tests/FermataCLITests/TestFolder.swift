// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage

/// A folder with recipes and boot files, in which the command is run.
struct TestFolder {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try write("kernel", "a kernel")
        try write("initrd", "an initial RAM disk")
        try write("still.lua", Self.still)
    }

    /// A lab that needs no hypervisor: its machine stays off.
    static let still = """
        local web = machine "web" { memory = "1M", disks = { disk { "system", size = "1M" } } }
        web:checkpoint("clean", { notes = "nothing is on the disk" })
        web:checkpoint "second"
        web:apply "clean"
        web:checkpoint "third"

        """

    var path: FilePath { folder.path }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.appending(name).string))
    }

    /// Runs the command in the folder.
    func fermata(_ arguments: String..., environment: [String: String] = [:]) async throws -> Program.Result {
        try await Program.fermata.run(arguments, in: path, environment: environment)
    }

    /// The names, kinds, modes and bytes of everything in the folder.
    func contents() throws -> [String: [String]] {
        var contents: [String: [String]] = [:]
        let manager = FileManager.default
        let files = manager.enumerator(atPath: path.string)
        while let name = files?.nextObject() as? String {
            let file = folder.appending(name).string
            let attributes = try manager.attributesOfItem(atPath: file)
            let bytes = manager.contents(atPath: file).map { String(describing: Array($0)) }
            contents[name] = ["\(attributes[.type] ?? "")", "\(attributes[.posixPermissions] ?? "")", bytes ?? ""]
        }
        return contents
    }
}

extension JSON {
    /// A member of an object.
    subscript(key: String) -> JSON? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    /// The elements of a list.
    var elements: [JSON] {
        if case .array(let elements) = self { elements } else { [] }
    }

    /// The text.
    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }
}
