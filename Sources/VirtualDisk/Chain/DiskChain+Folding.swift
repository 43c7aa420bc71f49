// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

extension DiskChain {
    /// Writes everything that a child has into its parent, durable on return; the child stays as it is.
    ///
    /// The child still masks what is written, so it reads the same before, during and after: a crash in it is met by
    /// doing it again. Only for a parent that has no other child.
    ///
    /// - Parameters:
    ///   - path: the child.
    ///   - parent: the disk from which it grew.
    ///   - root: the lab's folder.
    public static func fold(
        _ path: FilePath, into parent: FilePath, beneath root: FilePath
    ) throws(DiskError) {
        let child = try open(path, beneath: root)
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let location = try LabPath.location(of: parent, beneath: folder.path)
        let target = try open(location, in: folder, root: folder.path, access: .readWrite, keepingIdentity: true)
        guard let link = child.leaf.parent, link.names(target.leaf.identity) else {
            throw DiskError(.invalidArgument, path: path.string, "\(parent) is not the disk from which it grew")
        }
        try reaching(path.string) { () throws(StorageError) in
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            try child.copyLeaf(0..<child.size, to: target, through: &buffer)
            try target.close()
        }
    }

    /// Writes what the leaf has of a range into its parent's chain, whole sectors.
    ///
    /// - Parameter progress: told of each piece's bytes, those included that the leaf does not have.
    func copyLeaf(
        _ range: Range<UInt64>, to target: DiskChain, through buffer: inout [UInt8],
        progress: (UInt64) throws(StorageError) -> Void = { _ in }
    ) throws(StorageError) {
        var sector = range.lowerBound / 512
        let end = (range.upperBound + 511) / 512
        while sector < end {
            let run = try leaf.locate(sector, count: min(end - sector, UInt64(buffer.count / 512)))
            switch run.place {
            case .absent:
                // Nothing is copied, but who wants to end it can.
                sector += run.count
                try progress(0)
                continue
            case .zeros: try target.writeZeroes(sector * 512..<(sector + run.count) * 512)
            case .stored: try copy(sector, count: run.count, to: target, through: &buffer)
            }
            sector += run.count
            try progress(run.count * 512)
        }
    }

    private func copy(
        _ sector: UInt64, count: UInt64, to target: DiskChain, through buffer: inout [UInt8]
    ) throws(StorageError) {
        let byteCount = Int(count) * 512
        do {
            var span = buffer.mutableSpan
            var bytes = unsafe span.mutableBytes
            var part = bytes._mutatingExtracting(first: byteCount)
            try read(into: &part, at: sector * 512)
        }
        try unsafe target.write(buffer.span.bytes.extracting(first: byteCount), at: sector * 512)
    }
}
