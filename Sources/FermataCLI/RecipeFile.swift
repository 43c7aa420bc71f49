// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Fermata
import FermataLua
import FermataModel
import SystemPackage

/// A recipe in a file: `.lua` is recorded, `.json` is read.
struct RecipeFile {
    /// What the file holds.
    let recipe: Recipe
    /// The largest document that is read as a recipe.
    private static let longest: UInt64 = 64 << 20

    /// Where its relative paths begin: its own folder.
    let folder: FilePath

    /// Reads a file.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when it is no recipe.
    init(_ text: String) throws {
        let path = FilePath.absolute(text)
        folder = path.removingLastComponent()
        switch path.extension?.lowercased() {
        case "lua": recipe = try Self.record(text)
        case "json": recipe = try Self.read(path, as: text)
        default:
            throw ProgramFailure(
                "'\(text)' is no recipe: expected a file that ends in .lua or .json", exitCode: ProgramFailure.wrongUse)
        }
    }

    private static func record(_ text: String) throws(ProgramFailure) -> Recipe {
        do throws(RecipeScriptError) {
            return try LuaRecorder.record(path: text)
        } catch {
            let lines = error.report.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            guard error.location == nil else { throw ProgramFailure(lines: lines, exitCode: ProgramFailure.wrongUse) }
            throw ProgramFailure(error.message, exitCode: ProgramFailure.wrongUse)
        }
    }

    private static func read(_ path: FilePath, as text: String) throws(ProgramFailure) -> Recipe {
        let bytes: [UInt8]
        do throws(StorageError) {
            let file = try FileStore(opening: try path.resolved(), access: .readOnly)
            let length = try file.length()
            guard length <= longest else {
                throw StorageError(.io, name: text, detail: "it is larger than any recipe (64 MiB)")
            }
            bytes = try file.bytes(at: 0, count: Int(length))
        } catch {
            throw ProgramFailure(
                "the recipe '\(text)' cannot be read: \(error.errno?.sentence ?? error.detail)",
                exitCode: ProgramFailure.wrongUse)
        }
        guard let document = String(validating: bytes, as: UTF8.self) else {
            throw ProgramFailure(lines: ["\(text): error: expected text in UTF-8"], exitCode: ProgramFailure.wrongUse)
        }
        do throws(DocumentError) {
            return try Recipe(json: document)
        } catch {
            throw ProgramFailure(lines: [error.line(in: text)], exitCode: ProgramFailure.wrongUse)
        }
    }
}

extension DocumentError {
    /// `file:line: error: message`, as far as the line is known.
    fileprivate func line(in file: String) -> String {
        if let match = path.wholeMatch(of: /line (\d+), column (\d+)/) {
            return "\(file):\(match.1): error: \(message), at column \(match.2)"
        }
        return "\(file): error: \(description)"
    }
}
