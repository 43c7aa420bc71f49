// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
public import SystemPackage

/// Finishes operations that were cut off.
public enum DiskRecovery {
    /// Finishes what was cut off on a disk and its ancestors.
    ///
    /// Every command that writes to a disk does so first. A disk that was to be merged away may be gone afterwards.
    ///
    /// - Returns: the disks whose operation was finished.
    @discardableResult
    public static func finish(_ path: FilePath, beneath root: FilePath) throws(DiskError) -> [FilePath] {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let location = try LabPath.location(of: path, beneath: folder.path)
        return try finish(location, in: folder).map { FilePath(folder.path(of: $0)) }
    }

    /// The disk on which an operation was cut off, if a file's name says that one was.
    ///
    /// - Parameter name: the last component of the file's path.
    /// - Returns: the last component of the disk's, which lies in the same folder.
    public static func disk(interruptedAs name: String) -> String? {
        DiskJournal.Kind.allCases.lazy.compactMap { kind in
            let suffix = ".\(kind.rawValue)"
            guard name.hasPrefix("."), name.hasSuffix(suffix), name.count > suffix.count + 1 else { return nil }
            return String(name.dropFirst().dropLast(suffix.count))
        }.first
    }

    @discardableResult
    package static func finish(_ location: [String], in tree: any NamedFiles) throws(DiskError) -> [[String]] {
        var finished: [[String]] = []
        while let journal = try pending(location, in: tree) {
            // A journal that stays would be found for ever.
            guard !finished.contains(journal.disk) || finished.count < DiskChain.mostLayers else {
                throw DiskError(
                    .unfinished, path: tree.path(of: journal.disk), "an interrupted operation cannot be finished")
            }
            let claims = try claim([journal.disk], in: tree, isRecovering: true)
            defer { withExtendedLifetime(claims) {} }
            switch journal.kind {
            case .rewriting:
                // What was merged is described by the steps that are left.
                try DiskJournal(.merging, of: journal.disk, in: tree)?.discard(in: tree)
                try journal.commit(in: tree)
                try journal.apply(in: tree)
            case .merging: try DiskMerge.finish(journal, in: tree, progress: nil)
            }
            finished.append(journal.disk)
        }
        try discardDraft(of: location, in: tree)
        return finished
    }

    /// Removes what an operation left that was making a disk anew and had not put it in place.
    private static func discardDraft(of disk: [String], in tree: any NamedFiles) throws(DiskError) {
        let claim = try reaching(tree.path(of: disk)) { () throws(StorageError) -> (any Sendable)? in
            guard try DiskDraft.exists(of: disk, in: tree), try tree.contains(disk) else { return nil }
            return try tree.claim(disk)
        }
        // Whoever has the disk may be making the draft now.
        guard let claim else { return }
        try DiskDraft.discard(of: disk, in: tree)
        withExtendedLifetime(claim) {}
    }

    /// Keeps other commands away from disks, which must be as the caller has found them.
    ///
    /// - Parameter isRecovering: whether an operation on them was cut off, so that some may be gone.
    static func claim(
        _ files: [[String]], in tree: any NamedFiles, isRecovering: Bool = false
    ) throws(DiskError) -> [any Sendable] {
        var claims: [any Sendable] = []
        for file in files {
            let name = tree.path(of: file)
            guard try reaching(name, { () throws(StorageError) in try tree.contains(file) }) else {
                // Without its file, an operation that was cut off has nobody to be protected from.
                if isRecovering { continue }
                throw DiskError(.inUse, path: name, "another command has taken the disk away meanwhile: look again")
            }
            guard let claim = try reaching(name, { () throws(StorageError) in try tree.claim(file) }) else {
                throw DiskError(.inUse, path: name, "another command is changing the disk: wait for its end")
            }
            claims.append(claim)
            if !isRecovering { try DiskJournal.refuse(file, in: tree, isHidden: false) }
        }
        return claims
    }

    /// The journal of the disk or the nearest ancestor that has one.
    private static func pending(_ location: [String], in tree: any NamedFiles) throws(DiskError) -> DiskJournal? {
        if let journal = try journal(of: location, in: tree) { return journal }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        walk.takesUnfinished = true
        do throws(DiskError) {
            try walk.begin(location, format: nil, access: .readOnly, expecting: nil)
            try walk.follow()
        } catch {
            // How far it came is enough: what stopped it may be what is to be finished.
        }
        for image in walk.images {
            if let journal = try journal(of: image.location, in: tree) { return journal }
        }
        guard let last = walk.images.last, let link = last.parent else { return nil }
        for place in LabPath.places(of: link, from: last.location) {
            if let journal = try journal(of: place, in: tree) { return journal }
        }
        return nil
    }

    private static func journal(of disk: [String], in tree: any NamedFiles) throws(DiskError) -> DiskJournal? {
        for kind in DiskJournal.Kind.allCases {
            if let journal = try DiskJournal(kind, of: disk, in: tree) { return journal }
        }
        return nil
    }
}
