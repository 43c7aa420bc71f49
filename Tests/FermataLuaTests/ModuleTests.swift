// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

import struct FermataModel.SourceLocation

/// Scripts in files, and the modules beside them.
@Suite struct ModuleTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.makeFolder("lab/parts")
    }

    private func write(_ text: String, to path: String) throws {
        try text.write(toFile: folder.appending(path).string, atomically: false, encoding: .utf8)
    }

    private var lab: String { folder.appending("lab/lab.lua").string }

    private func record(_ script: String) throws -> Recipe {
        try write(script, to: "lab/lab.lua")
        return try LuaRecorder.record(path: lab, print: { _ in })
    }

    private func failure(_ script: String, at location: Testing.SourceLocation = #_sourceLocation) throws -> String {
        try write(script, to: "lab/lab.lua")
        return try mistake(inFile: lab, at: location).description
            .replacingOccurrences(of: folder.path.string, with: "FOLDER")
    }

    @Test func `a module beside the script is run once, and its steps carry its lines`() throws {
        try write("local M = {}\nfunction M.go()\n  revert()\nend\nM.go()\nreturn M", to: "lab/parts/go.lua")
        let recipe = try record("local go = require 'parts.go'\nassert(go == require 'parts.go')\ngo.go()\nrevert()")
        let module = folder.appending("lab/parts/go.lua").string
        #expect(recipe.name == "lab")
        #expect(
            recipe.steps.map(\.at) == [
                SourceLocation(file: module, line: 3), SourceLocation(file: module, line: 3),
                SourceLocation(file: lab, line: 4),
            ])
    }

    @Test func `a mistake in a module stands at the module's line`() throws {
        try write("\nrevert(5)", to: "lab/bad.lua")
        let sentence = "FOLDER/lab/bad.lua:2: error: 'revert' takes no argument, got an integer"
        #expect(try failure("require 'bad'") == sentence)
        try write("\nlocal x = = 5", to: "lab/bad.lua")
        #expect(try failure("require 'bad'") == "FOLDER/lab/bad.lua:2: error: unexpected symbol near '='")
    }

    @Test func `a module that is not there is refused`() throws {
        #expect(
            try failure("\nrequire 'none'")
                == "FOLDER/lab/lab.lua:2: error: there is no module 'none' beside the script")
        #expect(
            try failure("require 'parts.none.deeper'")
                == "FOLDER/lab/lab.lua:1: error: there is no module 'parts.none.deeper' beside the script")
    }

    @Test(arguments: ["..outside", "../outside", "/etc/passwd", "a/../../outside", "", "a..b", ".", "a b", "\\0"])
    func `a name that leads elsewhere is refused`(name: String) throws {
        try write("revert()", to: "outside.lua")
        let sentence = try failure("require '\(name)'")
        #expect(sentence.contains("' is no name of a module: use letters, digits, '_' and '-', with dots for folders"))
    }

    @Test func `links are not followed to modules`() throws {
        try write("revert()", to: "outside.lua")
        try folder.makeFolder("elsewhere")
        try write("revert()", to: "elsewhere/mod.lua")
        let link = { (path: String, target: String) throws in
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending("lab/\(path)").string, withDestinationPath: target)
        }
        try link("out.lua", "../outside.lua")
        try link("away", "../elsewhere")
        #expect(
            try failure("require 'out'")
                == "FOLDER/lab/lab.lua:1: error: module 'out' cannot be read: FOLDER/lab/out.lua: "
                + "is a symbolic link, which is never followed: Too many levels of symbolic links")
        let away = try failure("require 'away.mod'")
        #expect(away.hasPrefix("FOLDER/lab/lab.lua:1: error: module 'away.mod' cannot be read: "))
        #expect(away.contains("links are never followed"))
    }

    @Test func `what is no file is no module`() throws {
        try folder.makeFolder("lab/parts.lua")
        #expect(try failure("require 'parts'").contains("is not a regular file"))
        try write(String(repeating: " ", count: 17 << 20), to: "lab/large.lua")
        #expect(try failure("require 'large'").contains("is larger than any script (16 MiB)"))
    }

    @Test func `modules that require each other are refused`() throws {
        try write("require 'b'", to: "lab/a.lua")
        try write("\nrequire 'a'", to: "lab/b.lua")
        #expect(
            try failure("require 'a'")
                == "FOLDER/lab/b.lua:2: error: module 'a' requires itself: a requires b requires a")
    }

    @Test func `a script without a file has no modules`() throws {
        #expect(try mistake("require 'x'").message == "there is no module 'x' beside the script")
    }

    @Test func `a script that cannot be read is one sentence`() throws {
        let missing = try mistake(inFile: folder.appending("none.lua").string)
        #expect(missing.code == .unreadable)
        #expect(missing.description == "error: \(folder.path)/none.lua: cannot be found: No such file or directory")
        #expect(missing.report == missing.description)
        #expect(try mistake(inFile: folder.path.string).description.contains("is not a regular file"))
        #expect(try mistake(inFile: "").code == .unreadable)
        #expect(try mistake(inFile: "/dev/zero").code == .unreadable)
    }

    @Test func `a link to a script is followed, and modules lie beside the link`() throws {
        try write("revert()", to: "elsewhere.lua")
        try write("revert()", to: "lab/mod.lua")
        try FileManager.default.createSymbolicLink(atPath: lab, withDestinationPath: "../elsewhere.lua")
        #expect(try LuaRecorder.record(path: lab).steps.count == 1)
        try write("require 'mod'", to: "elsewhere.lua")
        #expect(try LuaRecorder.record(path: lab).steps.count == 1)
    }

    @Test func `recording leaves the folder as it was`() throws {
        try write("return 1", to: "lab/mod.lua")
        _ = try record("require 'mod'\nlocal web = machine 'web' { boot = kernel 'none' }\nweb:start()")
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path.string).sorted()
        #expect(files == ["lab", "lab/lab.lua", "lab/mod.lua", "lab/parts"])
    }
}
