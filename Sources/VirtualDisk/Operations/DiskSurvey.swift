// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Which blocks of a chain's leaf need not be stored for it to read as it does.
struct DiskSurvey: Sendable {
    /// Those that hold nothing of their own, or what the parents have there anyway.
    private(set) var gone: Set<UInt32> = []
    /// Those that are zeros over something else of the parents', where the format can say so.
    private(set) var zeros: Set<UInt32> = []

    var isEmpty: Bool { count == 0 }

    var count: Int { gone.count + zeros.count }

    private static let piece: UInt64 = 2048

    /// Reads every block that the leaf stores, and the parents where it does.
    init(of chain: DiskChain, _ progress: DiskProgress?) throws(StorageError) {
        let leaf = chain.leaf
        let parents = Array(chain.images.dropFirst())
        let parent = parents.first.map { first in
            DiskChain(
                leaf: first, recent: [], flushable: [],
                index: ChainIndex(parents, size: chain.size), tree: chain.tree, isReadOnly: true, warnings: [])
        }
        // The last block of a disk that is cut off by its geometry goes on behind the end.
        let isCutOff = chain.warnings.contains { $0.kind == .sizeFromGeometry && $0.path == leaf.store.name }
        let whole = isCutOff ? leaf.size / 512 / leaf.blockSectors : UInt64.max
        let blocks = leaf.presentBlocks.filter { UInt64($0) < whole }
        let length = leaf.blockSectors * 512
        // Of a parent that was changed since, the child may need its own even where both are alike now.
        let isTrusted = !chain.warnings.contains { $0.kind == .parentTimestamp }
        var reader = Reader(leaf: leaf, parent: parent, isTrusted: isTrusted)
        for (number, block) in blocks.enumerated() {
            switch try reader.examine(block) {
            case .kept: break
            case .gone: gone.insert(block)
            case .zeros: zeros.insert(block)
            }
            // The second half is writing.
            try progress?(UInt64(number + 1) * length, 2 * UInt64(blocks.count) * length)
        }
    }

    private enum Fate { case kept, gone, zeros }

    private struct Reader {
        let leaf: any DiskImage
        /// What the leaf reads as where it has nothing; nil for zeros.
        let parent: DiskChain?
        /// Whether what equals the parent's need not be the leaf's own.
        let isTrusted: Bool
        private var own: [UInt8] = [UInt8](repeating: 0, count: Int(DiskSurvey.piece) * 512)
        private var other: [UInt8] = [UInt8](repeating: 0, count: Int(DiskSurvey.piece) * 512)

        init(leaf: any DiskImage, parent: DiskChain?, isTrusted: Bool) {
            self.leaf = leaf
            self.parent = parent
            self.isTrusted = isTrusted
        }

        mutating func examine(_ block: UInt32) throws(StorageError) -> Fate {
            let leaf = leaf
            var sector = UInt64(block) * leaf.blockSectors
            let end = min(sector + leaf.blockSectors, leaf.size / 512)
            var (isSame, isZero) = (true, leaf.format.hasZeroBlocks && parent != nil)
            while sector < end, isSame || isZero {
                let run = try leaf.locate(sector, count: min(end - sector, DiskSurvey.piece))
                switch run.place {
                case .zeros: return .kept
                case .absent: isZero = false
                case .stored(let offset):
                    let count = Int(run.count) * 512
                    do {
                        var span = own.mutableSpan
                        var bytes = unsafe span.mutableBytes
                        var part = bytes._mutatingExtracting(first: count)
                        try leaf.store.readFully(into: &part, at: offset)
                    }
                    if isZero { isZero = DiskCopy.isZero(own, 0, count) }
                    if isSame { isSame = isTrusted ? try equalsParent(sector, count) : false }
                }
                sector += run.count
            }
            return isSame ? .gone : isZero ? .zeros : .kept
        }

        private mutating func equalsParent(_ sector: UInt64, _ count: Int) throws(StorageError) -> Bool {
            guard let parent else { return DiskCopy.isZero(own, 0, count) }
            var span = other.mutableSpan
            var bytes = unsafe span.mutableBytes
            var part = bytes._mutatingExtracting(first: count)
            try parent.read(into: &part, at: sector * 512)
            return DiskCopy.isSame(own, other, count)
        }
    }
}
