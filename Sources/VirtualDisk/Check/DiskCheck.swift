// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// What a check of one disk found, and what a repair did about it.
public struct DiskCheck: Hashable, Sendable {
    /// The disk's file.
    public var path: FilePath
    /// What is wrong with it now.
    public var problems: [DiskProblem]
    /// What was wrong and was repaired.
    public var repaired: [DiskProblem] = []
    /// Where the bytes are kept that a repair replaced.
    public var backup: FilePath?

    /// Whether nothing is wrong.
    public var isOK: Bool { problems.isEmpty }

    /// Checks every rule of the disk's format, and that its parents are there; changes nothing.
    ///
    /// - Parameter sizeMode: which of a VHD's sizes counts.
    /// - Throws: when the file cannot be read; what is wrong with it is told.
    public static func check(
        _ path: FilePath, beneath root: FilePath, format: DiskFormat? = nil, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> DiskCheck {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        return try check(
            LabPath.location(of: path, beneath: folder.path), in: folder, format: format, sizeMode: sizeMode)
    }

    /// Finishes what was interrupted, and repairs what can be repaired without losing data.
    ///
    /// The bytes that are replaced are kept in a file beside the disk.
    public static func repair(
        _ path: FilePath, beneath root: FilePath, format: DiskFormat? = nil
    ) throws(DiskError) -> DiskCheck {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        return try repair(LabPath.location(of: path, beneath: folder.path), in: folder, format: format)
    }

    static func check(
        _ location: [String], in tree: any NamedFiles, format: DiskFormat? = nil, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> DiskCheck {
        let findings = try findings(location, in: tree, format: format, sizeMode: sizeMode)
        return DiskCheck(path: FilePath(tree.path(of: location)), problems: findings.report)
    }

    static func repair(
        _ location: [String], in tree: any NamedFiles, format: DiskFormat? = nil
    ) throws(DiskError) -> DiskCheck {
        let before = try findings(location, in: tree, format: format)
        try DiskRecovery.finish(location, in: tree)
        let claims = try DiskRecovery.claim([location], in: tree)
        defer { withExtendedLifetime(claims) {} }
        let repairs = try findings(location, in: tree, format: format).repairs
        var backup: FilePath?
        if !repairs.isEmpty {
            backup = FilePath(tree.path(of: try DiskBackup.keep(repairs, of: location, in: tree)))
            let time = try reaching(tree.path(of: location)) { () throws(StorageError) in
                try tree.open(location, access: .readOnly).status().modificationTime
            }
            // It reads as before, so its children's record of it stays true.
            let journal = DiskJournal(
                .rewriting, of: location, steps: repairs + [.modificationTime(file: location, time)])
            try journal.commit(in: tree)
            try journal.apply(in: tree)
        }
        let after = try findings(location, in: tree, format: format).report
        return DiskCheck(
            path: FilePath(tree.path(of: location)), problems: after,
            repaired: before.report.filter { !after.contains($0) }, backup: backup)
    }

    private static func findings(
        _ location: [String], in tree: any NamedFiles, format: DiskFormat?, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> DiskFindings {
        let path = tree.path(of: location)
        var findings = DiskFindings()
        for kind in DiskJournal.Kind.allCases where try DiskJournal.exists(kind, of: location, in: tree) {
            findings.add("unfinished", "an operation on the disk was interrupted", isRepairable: true)
        }
        let store = try reaching(path) { () throws(StorageError) in try tree.open(location, access: .readOnly) }
        let format = format ?? DiskFormat(path: FilePath(location.last ?? ""))
        if format == .vhd {
            var check = try VHDCheck(store, at: location, sizeMode: sizeMode)
            check.findings = findings
            try check.run()
            findings = check.findings
        } else if format == .vhdx {
            var check = try VHDXCheck(store, at: location)
            check.findings = findings
            try check.run()
            findings = check.findings
        }
        // What is so wrong that nobody finds a place for it, and the parents.
        guard findings.report.allSatisfy(\.isRepairable) else { return findings }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        walk.takesUnfinished = true
        walk.sizeMode = sizeMode
        do throws(DiskError) {
            try walk.begin(location, format: format, access: .readOnly, expecting: nil)
        } catch {
            if error.code == .invalidArgument { throw error }
            if findings.report.isEmpty { findings.add("malformed", error) }
            return findings
        }
        do throws(DiskError) { try walk.follow() } catch { findings.add(code(of: error), error) }
        return findings
    }

    private static func code(of error: DiskError) -> String {
        switch error.code {
        case .parentMissing: "parent-missing"
        case .parentMismatch: "parent-mismatch"
        case .outsideLab: "parent-outside"
        case .cycle: "cycle"
        case .tooDeep: "too-deep"
        case .sizeMismatch: "parent-size"
        default: "parent-damaged"
        }
    }
}
