// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Glibc
import SystemPackage

extension DiskMerge {
    /// Writes the sources of a journal into its disk, and everything that comes after.
    ///
    /// The sources hide what is written, so the disks that read through them see no change, and it can begin anew.
    @discardableResult
    static func finish(
        _ journal: DiskJournal, in tree: any NamedFiles, progress: DiskProgress?
    ) throws(DiskError) -> DiskMerge {
        guard let leaf = journal.sources.last else { return empty(tree) }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        walk.takesUnfinished = true
        try walk.begin(leaf, format: nil, access: .readOnly, expecting: nil)
        try walk.follow()
        let images = Array(walk.images.prefix(journal.sources.count + 1))
        guard let source = images.first, images.map(\.location) == journal.sources.reversed() + [journal.disk],
            let identity = images.last?.identity, let format = images.last?.format
        else {
            throw DiskError(
                .unfinished, path: tree.path(of: journal.disk),
                "a merge was interrupted, and the disks that were to be merged are not where they were",
                expected: journal.sources.map { tree.path(of: $0) }.joined(separator: ", "))
        }
        let dependents = try DiskFamily(in: tree).children(of: source)
        try walk.begin(
            journal.disk, format: format, access: .readWrite, expecting: nil, keepingIdentity: true)
        guard let target = walk.images.first else { return empty(tree) }
        let transfer = DiskTransfer(images: images, sources: 0..<images.count - 1)
        let (copied, time) = try reaching(target.store.name) { () throws(StorageError) in
            let total = try transfer.total()
            try transfer.copy(into: target, total: total, progress: progress)
            try target.flush()
            try target.settle()
            return (total, try target.store.status().modificationTime)
        }
        var steps: [DiskStep] = []
        for file in dependents {
            steps += try relinking(file, to: journal.disk, identity, modifiedAt: time, format, in: tree)
        }
        steps += journal.sources.reversed().map { .remove(file: $0) }
        let end = DiskJournal(.rewriting, of: journal.disk, steps: steps)
        try end.commit(in: tree)
        try journal.discard(in: tree)
        try end.apply(in: tree)
        return DiskMerge(
            target: FilePath(target.store.name), removed: images.dropLast().map { FilePath($0.store.name) }, kept: [],
            relinked: dependents.map { FilePath(tree.path(of: $0)) }, copied: copied)
    }

    /// Whether a child's file can be what the parent's file was.
    static func canTakePlace(
        _ child: any DiskImage, of parent: any DiskImage, in tree: any NamedFiles
    ) throws(DiskError) -> Bool {
        guard parent.kind != .fixed, child.format == parent.format else { return false }
        return try reaching(child.store.name) { () throws(StorageError) in
            try tree.isAsAccessible(child.location, as: parent.location)
        }
    }

    /// Merges into the last by making the first what the last was.
    ///
    /// Nothing that anybody reads changes before the journal is in place.
    static func takePlace(
        _ images: [any DiskImage], _ dependents: [[String]], _ total: UInt64, in tree: any NamedFiles,
        progress: DiskProgress?
    ) throws(DiskError) -> DiskMerge {
        guard let leaf = images.first, let target = images.last, let identity = target.identity else {
            return empty(tree)
        }
        let store = try fill(images, upTo: images.count - 1, total, in: tree, progress: progress)
        let now = Int64(time(nil))
        var steps = try leaf.format.describing(
            store, at: leaf.location, identity: identity, link: target.parent)
        for file in dependents {
            steps += try relinking(file, to: target.location, identity, modifiedAt: now, leaf.format, in: tree)
        }
        steps.append(.modificationTime(file: leaf.location, now))
        steps.append(.rename(from: leaf.location, to: target.location))
        steps += images.dropFirst().dropLast().map { .remove(file: $0.location) }
        let journal = DiskJournal(.rewriting, of: target.location, steps: steps)
        try journal.commit(in: tree)
        try journal.apply(in: tree)
        return DiskMerge(
            target: FilePath(target.store.name), removed: images.dropLast().map { FilePath($0.store.name) }, kept: [],
            relinked: dependents.map { FilePath(tree.path(of: $0)) }, copied: total)
    }

    /// Merges the disks from the second up to the one at `end` into the first.
    static func intoDescendant(
        _ chain: [any DiskImage], upTo end: Int, in tree: any NamedFiles, progress: DiskProgress?
    ) throws(DiskError) -> DiskMerge {
        let images = Array(chain[...end])
        guard let target = images.first, let identity = target.identity, let last = images.last else {
            return empty(tree)
        }
        let family = try DiskFamily(in: tree)
        let transfer = DiskTransfer(images: images, sources: 1..<images.count)
        let (total, before) = try reaching(target.store.name) { () throws(StorageError) in
            (try transfer.total(), try target.store.status().modificationTime)
        }
        try checkSpace(transfer.space(in: target), for: target, in: tree)
        let store = try fill(images, upTo: end, total, in: tree, progress: progress)
        var link = last.parent
        if let parent = chain.dropFirst(end + 1).first {
            link?.relativePaths = [
                try LabPath.relative(to: parent.location, from: target.location, name: parent.store.name)
            ]
            link?.absolutePaths = []
            link?.name = parent.location.last ?? ""
        }
        var steps = try target.format.describing(
            store, at: target.location, identity: identity, link: link)
        // It reads as before, so its children's record of it stays true.
        steps.append(.modificationTime(file: target.location, before))
        var removed: [any DiskImage] = []
        for (child, parent) in zip(images, images.dropFirst()) {
            guard family.children(of: parent).allSatisfy({ $0 == child.location }) else { break }
            steps.append(.remove(file: parent.location))
            removed.append(parent)
        }
        let journal = DiskJournal(.rewriting, of: target.location, steps: steps)
        try journal.commit(in: tree)
        try journal.apply(in: tree)
        return DiskMerge(
            target: FilePath(target.store.name), removed: removed.map { FilePath($0.store.name) },
            kept: images.dropFirst(removed.count + 1).map { FilePath($0.store.name) }, relinked: [], copied: total)
    }

    /// Copies into the first disk what it has from the others, durable on return; it reads as before.
    ///
    /// - Returns: the first disk's file.
    private static func fill(
        _ images: [any DiskImage], upTo end: Int, _ total: UInt64, in tree: any NamedFiles, progress: DiskProgress?
    ) throws(DiskError) -> any ByteStore {
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        try walk.begin(
            images[0].location, format: images[0].format, access: .readWrite, expecting: nil, keepingIdentity: true)
        guard let target = walk.images.first else { return images[0].store }
        try reaching(target.store.name) { () throws(StorageError) in
            try DiskTransfer(images: images, sources: 1..<end + 1).copy(
                into: target, total: total, progress: progress)
            if images[end].parent == nil { try DiskTransfer.complete(target) }
            try target.flush()
            try target.settle()
        }
        return target.store
    }

    /// The steps that give a child another parent.
    private static func relinking(
        _ file: [String], to parent: [String], _ identity: DiskIdentity, modifiedAt time: Int64, _ format: DiskFormat,
        in tree: any NamedFiles
    ) throws(DiskError) -> [DiskStep] {
        let name = tree.path(of: file)
        let (store, before) = try reaching(name) { () throws(StorageError) in
            let store = try tree.open(file, access: .readOnly)
            return (store, try store.status().modificationTime)
        }
        let link = ParentLink(
            identity: identity, modificationTime: time, name: parent.last ?? "",
            relativePaths: [try LabPath.relative(to: parent, from: file, name: tree.path(of: parent))])
        guard let identity = try format.identity(of: store) else { return [] }
        // It reads as before, so its children's record of it stays true.
        return try format.describing(store, at: file, identity: identity, link: link)
            + [.modificationTime(file: file, before)]
    }
}
