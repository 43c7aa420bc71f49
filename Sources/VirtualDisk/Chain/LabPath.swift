// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage

/// Paths beneath a lab's folder, as lists of plain names.
enum LabPath {
    /// The names that lead from the folder to the file.
    static func location(of path: FilePath, beneath folder: FilePath) throws(DiskError) -> [String] {
        // Every disk of a chain comes through here, so the path is taken apart as text, if it is one.
        let text = path.string
        let slash = text.utf8.lastIndex(of: UInt8(ascii: "/"))
        let last = slash.map { String(text[text.utf8.index(after: $0)...]) } ?? text
        guard !["", ".", ".."].contains(last) else {
            throw DiskError(.invalidArgument, path: text, "this is no file's path")
        }
        let parent = try reaching(text) { () throws(StorageError) in
            if text.contains("\u{FFFD}") { return try path.containingFolder.resolved().string }
            return try FilePath.resolved(slash.map { $0 == text.startIndex ? "/" : String(text[..<$0]) } ?? ".")
        }
        let root = folder.string == "/" ? "" : folder.string
        // Byte by byte: to a text, two names may be equal that are not to the system.
        guard parent.utf8.elementsEqual(root.utf8) || parent.utf8.starts(with: "\(root)/".utf8) else {
            throw DiskError(.outsideLab, path: text, "the file does not lie beneath \(folder)")
        }
        return parent.utf8.dropFirst(root.utf8.count).split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
            + [last]
    }

    /// Where a path that is relative to a file's folder leads; nil when it leaves the lab or is not relative.
    ///
    /// Both kinds of separator count, so that what means "up" to one reader cannot be a name to another.
    static func resolve(_ text: String, from location: [String]) -> [String]? {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "\\" || $0 == "/" }
        guard let first = parts.first, !first.isEmpty, !text.contains(":") else { return nil }
        var names = Array(location.dropLast())
        for part in parts {
            switch part {
            case "", ".": continue
            case "..":
                guard !names.isEmpty else { return nil }
                names.removeLast()
            default: names.append(String(part))
            }
        }
        return names.isEmpty ? nil : names
    }

    /// The path from one file's folder to another file, in the form that Hyper-V records.
    static func relative(to target: FilePath, from source: FilePath) throws(DiskError) -> String {
        let (from, to): (FilePath, FilePath) = try reaching(source.string) { () throws(StorageError) in
            (try source.containingFolder.resolved(), try target.containingFolder.resolved())
        }
        return try relative(
            to: to.components.map(\.string) + [target.lastComponent?.string ?? ""],
            from: from.components.map(\.string) + [""], name: target.string)
    }

    /// The path from one file's folder to another file, both beneath the same folder.
    static func relative(to target: [String], from source: [String], name: String) throws(DiskError) -> String {
        let shared = zip(source.dropLast(), target.dropLast()).prefix { $0 == $1 }.count
        let ups = source.count - 1 - shared
        let names = target.dropFirst(shared)
        guard names.allSatisfy({ !$0.isEmpty && !$0.contains("\\") && !$0.contains(":") && !$0.contains("\u{FFFD}") })
        else {
            throw DiskError(
                .invalidArgument, path: name,
                "a child cannot name this parent: rename it without a backslash, a colon or invalid characters")
        }
        let start = ups == 0 ? ["."] : Array(repeating: "..", count: ups)
        return (start + names).joined(separator: "\\")
    }

    /// Where a child looks for its parent, in this order.
    static func places(of link: ParentLink, from location: [String]) -> [[String]] {
        let named = lastName(link.name).map { [Array(location.dropLast()) + [$0]] } ?? []
        return link.relativePaths.compactMap { resolve($0, from: location) } + named
    }

    /// The last name of a path in either notation.
    static func lastName(_ text: String) -> String? {
        let name = text.split { $0 == "\\" || $0 == "/" }.last.map(String.init)
        return name.flatMap { $0 == ".." || $0 == "." || $0.contains(":") ? nil : $0 }
    }
}
