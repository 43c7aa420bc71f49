// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// Finds where a disk with an identity lies, when it is not where its child says; nil when it is nowhere.
public typealias ParentResolver = @Sendable (DiskIdentity) throws(DiskError) -> FilePath?

/// Follows a chain from its leaf to its base, without leaving the lab and without following a link.
///
/// A parent is looked for by its relative locators, then by its name beside the child, then by its identity. Absolute
/// paths are never followed: in a copied chain they lead to the original.
struct ChainWalk {
    let tree: any FileTree
    let root: FilePath?
    let resolver: ParentResolver?
    /// Whether disks are taken as they are that an interrupted operation left.
    var takesUnfinished: Bool = false
    /// Which of a VHD's sizes counts.
    var sizeMode: DiskSizeMode = .auto

    /// The images found so far, the leaf first.
    private(set) var images: [any DiskImage] = []
    private(set) var warnings: [DiskWarning] = []
    /// What speaks for each of the parents, the leaf's first.
    private(set) var links: [DiskLink] = []

    init(_ tree: any FileTree, root: FilePath?, resolver: ParentResolver?) {
        self.tree = tree
        self.root = root
        self.resolver = resolver
    }

    /// Opens the leaf.
    mutating func begin(
        _ location: [String], format: DiskFormat?, access: FileAccess, expecting kind: DiskKind?,
        keepingIdentity keepsIdentity: Bool = false
    ) throws(DiskError) {
        if !takesUnfinished { try DiskJournal.refuse(location, in: tree, isHidden: false) }
        let store = try open(location, access: access)
        guard let format = format ?? location.last.flatMap({ DiskFormat(path: FilePath($0)) }) else {
            let known = DiskFormat.all.flatMap(\.extensions).joined(separator: ", ")
            throw DiskError(.unsupported, path: store.name, "the extension says no known format: \(known)")
        }
        let image = try format.open(
            store, location: location, access: access, expecting: kind, keepingIdentity: keepsIdentity,
            sizeMode: sizeMode)
        images = [image]
        warnings = image.warnings
        links = []
    }

    /// Begins with a leaf that is open already.
    mutating func begin(with leaf: any DiskImage) {
        images = [leaf]
        warnings = leaf.warnings
        links = []
    }

    /// Opens the parents, one after the other.
    mutating func follow() throws(DiskError) {
        while let child = images.last, let link = child.parent {
            let name = child.store.name
            guard images.count < DiskChain.mostLayers else {
                throw DiskError(.tooDeep, path: name, "the chain has more than \(DiskChain.mostLayers) disks")
            }
            let parent = try find(link, of: child)
            guard !images.contains(where: { $0.location == parent.location || $0.identity == parent.identity }) else {
                throw DiskError(.cycle, path: name, "the disk is its own ancestor", found: parent.store.name)
            }
            guard parent.size == child.size else {
                throw DiskError(
                    .sizeMismatch, path: name, "the disk and its parent have different sizes", field: "size",
                    expected: "\(parent.size)", found: "\(child.size)")
            }
            guard parent.sectorSize == child.sectorSize else {
                throw DiskError(
                    .sizeMismatch, path: name, "the disk and its parent have different sectors",
                    field: "logical sector size", expected: "\(parent.sectorSize)", found: "\(child.sectorSize)")
            }
            if let evidence = links.last, let found = evidence.found, evidence.hasSameTime == false {
                warnings.append(
                    DiskWarning(
                        .parentTimestamp, path: name,
                        "the parent \(parent.store.name) was changed at \(found.modificationTime), but the disk "
                            + "recorded \(link.modificationTime ?? 0) seconds since 1970"))
            }
            warnings += parent.warnings
            images.append(parent)
        }
    }

    private mutating func find(_ link: ParentLink, of child: any DiskImage) throws(DiskError) -> any DiskImage {
        var evidence = DiskLink(child: FilePath(child.store.name), format: child.format, recorded: link)
        defer { links.append(evidence) }
        var other: (any DiskImage)?
        var candidates: [(location: [String], way: DiskLink.Way)] = []
        for text in link.relativePaths {
            guard let location = LabPath.resolve(text, from: child.location) else {
                throw DiskError(
                    .outsideLab, path: child.store.name, "the path to the parent leads out of the lab",
                    field: "parent locator", found: DiskChain.printable(text))
            }
            candidates.append((location, .path(text)))
        }
        if let name = LabPath.lastName(link.name) {
            candidates.append((child.location.dropLast() + [name], .name(link.name)))
        }
        for (location, way) in candidates {
            guard let image = try openIfPresent(location, child.format) else { continue }
            let isParent = link.names(image.identity)
            if isParent || other == nil { evidence.found = try found(image, way) }
            if isParent { return image }
            other = other ?? image
        }
        if let location = try search(link, for: child),
            let image = try openIfPresent(location, child.format), link.names(image.identity)
        {
            evidence.found = try found(image, .identity)
            warnings.append(
                DiskWarning(
                    .parentMoved, path: child.store.name,
                    "the parent was found by its identity at \(image.store.name), not where the disk says it is"))
            return image
        }
        if let other {
            throw DiskError(
                .parentMismatch, path: child.store.name,
                "the file in the parent's place, \(other.store.name), is another disk",
                field: "parent identity", expected: link.identity.description,
                found: other.identity?.description ?? "none")
        }
        throw DiskError(
            .parentMissing, path: child.store.name, "the parent is missing: put it back where the disk says it is",
            field: "parent", expected: "\(DiskChain.printable(link.relativePaths.first ?? link.name)), \(link.identity)"
        )
    }

    private func found(_ image: any DiskImage, _ way: DiskLink.Way) throws(DiskError) -> DiskLink.Found {
        let status = try reaching(image.store.name) { () throws(StorageError) in try image.store.status() }
        return DiskLink.Found(
            path: FilePath(image.store.name), way: way, identity: image.identity,
            modificationTime: status.modificationTime)
    }

    private func search(_ link: ParentLink, for child: any DiskImage) throws(DiskError) -> [String]? {
        if let resolver, let root {
            return try resolver(link.identity).map { (path) throws(DiskError) in
                try LabPath.location(of: path, beneath: root)
            }
        }
        let files = try reaching(tree.name) { () throws(StorageError) in
            try tree.files(withExtensions: Set(child.format.extensions))
        }
        var found: [[String]] = []
        for file in files where file != child.location {
            guard let store = try? tree.open(file, access: .readOnly),
                let identity = try? child.format.identity(of: store), link.names(identity)
            else { continue }
            found.append(file)
        }
        guard found.count <= 1 else {
            throw DiskError(
                .parentMissing, path: child.store.name,
                "several files have the parent's identity: put the right one in its place",
                field: "parent identity", expected: "one file with \(link.identity)",
                found: found.map { $0.joined(separator: "/") }.joined(separator: ", "))
        }
        return found.first
    }

    private func openIfPresent(_ location: [String], _ format: DiskFormat) throws(DiskError) -> (any DiskImage)? {
        if !takesUnfinished { try DiskJournal.refuse(location, in: tree, isHidden: true) }
        do throws(DiskError) {
            return try format.open(
                open(location, access: .readOnly), location: location, access: .readOnly, sizeMode: sizeMode)
        } catch {
            if error.underlying?.isMissingFile == true { return nil }
            throw error
        }
    }

    private func open(_ location: [String], access: FileAccess) throws(DiskError) -> any ByteStore {
        let name = tree.path(of: location)
        do throws(StorageError) { return try tree.open(location, access: access) } catch {
            var refusal = DiskError(error, path: name)
            if error.errno == .tooManySymbolicLinkLevels || error.errno == .notDirectory { refusal.code = .outsideLab }
            throw refusal
        }
    }
}

extension DiskChain {
    /// Text from a file, with what would control a terminal replaced.
    static func printable(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : Character($0) })
    }
}
