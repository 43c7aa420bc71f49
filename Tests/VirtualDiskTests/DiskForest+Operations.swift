// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

extension DiskForest {
    /// One step: a request, or something that changes which disks there are.
    mutating func step() throws {
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<60: try request()
        case 60..<64: try closeAll()
        case 64..<72: try addChild(to: pick(leaves))
        case 72..<77: try addChild(to: pick(numbers))
        case 77..<88: try merge()
        case 88..<93: try resize()
        case 93..<97: try compact()
        default: try convert()
        }
    }

    /// Lets a child grow, from a leaf that is in use or from any disk at rest.
    mutating func addChild(to parent: Int) throws {
        let disk = try disk(parent)
        guard disk.format.hasChildren, disks.count < Self.mostDisks, chain(of: parent).count < Self.mostLayers else {
            return
        }
        let path = newPath(disk.format, isChild: true)
        let child = newest
        let running = generator.chance(50) ? opened[parent] : nil
        if running == nil { try close(parent) }
        tell("\(running == nil ? "child" : "child of the running") \(name(parent)): \(path.lastComponent ?? "")")
        try disk.format.createChild(at: path, of: disk.path)
        disks[child] = Disk(
            path: path, format: disk.format, sectorSize: disk.sectorSize, parent: parent, content: disk.content,
            traps: disk.format == .vhdx ? [.noBitmap] : [])
        guard let running else { return }
        // The parent may still be written between.
        try running.write([UInt8](disk.content[0..<unit]), at: 0)
        let extended = try running.extended(byChildAt: path)
        opened[parent] = nil
        opened[child] = extended
        if generator.chance(50) { for _ in 0..<3 { try request() } }
        if opened[child] === extended { try extended.sealParents() }
    }

    /// Merges a disk into an ancestor, or an ancestor into a disk.
    private mutating func merge() throws {
        let grown = numbers.filter { disks[$0]?.parent != nil }
        guard !grown.isEmpty else { return }
        try closeAll()
        let leaf = pick(grown)
        let chain = chain(of: leaf)
        let end = generator.chance(50) ? 1 : Int.random(in: 1..<chain.count, using: &generator)
        let merged = Array(chain[...end])
        try generator.chance(60) ? mergeIntoAncestor(merged) : mergeIntoDescendant(merged)
    }

    /// Merges the first of some disks, and those between, into the last.
    private mutating func mergeIntoAncestor(_ merged: [Int]) throws {
        let (source, target) = (merged[0], merged[merged.count - 1])
        let sole = zip(merged, merged.dropFirst()).allSatisfy { children(of: $1) == [$0] }
        tell("merge \(name(source)) into \(name(target))\(sole ? "" : ", which must be refused")")
        let into = merged.count == 2 && generator.chance(50) ? nil : try disk(target).path
        let from = try disk(source)
        guard sole else {
            try expectRefusal(.inUse) { try DiskMerge.merge(from.path, into: into, beneath: folder.path) }
            return
        }
        let kind = try kind(of: target)
        let outcome = try DiskMerge.merge(from.path, into: into, beneath: folder.path)
        try check(try self.kind(of: target) == kind, "\(name(target)) is \(kind) no more")
        let gone = merged.dropLast()
        try check(Set(outcome.removed) == Set(gone.compactMap { disks[$0]?.path }), "\(outcome)")
        for child in children(of: source) { disks[child]?.parent = target }
        disks[target]?.content = from.content
        let traps = Set(merged.flatMap { disks[$0]?.traps ?? [] })
        disks[target]?.traps = traps
        for number in gone { disks[number] = nil }
    }

    /// Merges the last of some disks, and those between, into the first.
    private mutating func mergeIntoDescendant(_ merged: [Int]) throws {
        let (target, source) = (merged[0], merged[merged.count - 1])
        let pairs = zip(merged, merged.dropFirst())
        let gone = pairs.prefix { children(of: $1) == [$0] }.map { $1 }
        tell("merge \(name(source)) forward into \(name(target)); \(gone.count) of \(merged.count - 1) go")
        let outcome = try DiskMerge.merge(disk(source).path, into: disk(target).path, beneath: folder.path)
        try check(Set(outcome.removed) == Set(gone.compactMap { disks[$0]?.path }), "\(outcome)")
        let kept = merged.dropFirst().filter { !gone.contains($0) }
        try check(Set(outcome.kept) == Set(kept.compactMap { disks[$0]?.path }), "\(outcome)")
        let traps = Set(merged.flatMap { disks[$0]?.traps ?? [] })
        disks[target]?.traps = traps
        let parent = disks[source]?.parent
        disks[target]?.parent = parent
        for number in gone { disks[number] = nil }
    }

    /// Makes a disk larger or smaller, if neither its relations nor its data forbid it.
    private mutating func resize() throws {
        try closeAll()
        let number = pick(numbers)
        guard let disk = disks[number] else { return }
        let old = disk.content.count
        let wish = old + Int.random(in: -(3 << 20)...(4 << 20), using: &generator)
        let size = max(1 << 20, wish) / alignment * alignment
        let isAlone = disk.parent == nil && children(of: number).isEmpty
        let losesData = size < old && !disk.content[size...].allSatisfy { $0 == 0 }
        let refusal: DiskError.Code? =
            disk.parent != nil || isAlone && losesData ? .invalidArgument : isAlone ? nil : .inUse
        tell("resize \(name(number)) from \(old) to \(size)\(refusal == nil ? "" : ", which must be refused")")
        if let refusal, size != old || !isAlone {
            return try expectRefusal(refusal) {
                try DiskResizing.resize(disk.path, to: UInt64(size), beneath: folder.path)
            }
        }
        try DiskResizing.resize(disk.path, to: UInt64(size), beneath: folder.path)
        if disk.format == .vhd, size != old { disks[number]?.traps.insert(.resized) }
        disks[number]?.content = disk.content.prefix(size) + [UInt8](repeating: 0, count: max(0, size - old))
    }

    /// Gives back what a disk need not store, unless it is fixed.
    private mutating func compact() throws {
        try closeAll()
        let number = pick(numbers)
        let disk = try disk(number)
        let isFixed = try kind(of: number) == .fixed
        tell("compact \(name(number))\(isFixed ? ", which must be refused" : "")")
        guard !isFixed else {
            return try expectRefusal(.invalidArgument) {
                try DiskCompaction.compact(disk.path, beneath: folder.path)
            }
        }
        let before = try length(of: disk)
        let outcome = try DiskCompaction.compact(disk.path, beneath: folder.path)
        // Where data moves against the file system's blocks, it may touch one more of them.
        try check(
            try length(of: disk) <= before, "\(name(number)) is longer than the \(before) bytes before; \(outcome)")
        if disk.parent != nil, disk.format == .vhdx { disks[number]?.traps.insert(.noBitmap) }
    }

    private func length(of disk: Disk) throws -> UInt64 {
        try FileStore(opening: disk.path, access: .readOnly).length()
    }

    private func kind(of number: Int) throws -> DiskKind {
        try #require(try DiskChain.open(disk(number).path, beneath: folder.path).layers.first?.kind)
    }

    /// Makes another base of what a disk reads as.
    private mutating func convert() throws {
        guard disks.count < Self.mostDisks else { return }
        try closeAll()
        let source = try disk(pick(numbers))
        let format = generator.pick([DiskFormat.vhd, .vhdx, .raw], or: .raw)
        let kind: DiskKind = generator.chance(30) ? .fixed : .dynamic
        let path = newPath(format, isChild: false)
        tell("convert \(source.path.lastComponent ?? "") to \(path.lastComponent ?? "") \(kind)")
        let chain = try DiskChain.open(source.path, beneath: folder.path)
        let outcome = try DiskConversion.convert(chain, to: path, format: format, kind: kind)
        try check(outcome.size == UInt64(source.content.count) && outcome.target == path, "\(outcome)")
        disks[newest] = Disk(path: path, format: format, sectorSize: 512, content: source.content)
    }

    /// Expects something to be refused, and no file to change.
    private func expectRefusal(_ code: DiskError.Code, _ body: () throws -> some Any) throws {
        let before = try files()
        do {
            _ = try body()
        } catch let error as DiskError where error.code == code {
            try check(try files() == before, "what was refused has changed a file")
            return
        }
        throw Failure(description: "what had to be refused was done")
    }

    /// What lies in the lab: bytes and times.
    private func files() throws -> [String: [AnyHashable]] {
        let manager = FileManager.default
        return try manager.subpathsOfDirectory(atPath: folder.path.string).reduce(into: [:]) { files, name in
            let path = folder.appending(name).string
            let time = try manager.attributesOfItem(atPath: path)[.modificationDate] as? Date
            files[name] = [manager.contents(atPath: path), time]
        }
    }
}
