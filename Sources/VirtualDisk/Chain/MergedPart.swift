// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a chain has of one part of the disk: runs of sectors, each with the image that has it and its place there.
struct MergedPart: Sendable {
    struct Run: Sendable {
        /// The first sector, counted from the part's beginning; the run ends where the next one begins.
        var start: UInt32
        /// The image's number, or ``nothing``.
        var image: UInt16
        var offset: UInt64
    }

    /// Stands for no image.
    static let nothing: UInt16 = .max

    var runs: [Run]
    var sectors: UInt32

    /// The image that has a sector, and how many sectors from there on lie together, at most `limit`.
    func find(_ sector: UInt32, _ limit: UInt64) -> (image: UInt16, run: SectorRun) {
        // The last run that does not begin behind the sector.
        var (low, high) = (0, runs.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if runs[middle].start <= sector { low = middle } else { high = middle }
        }
        let run = runs[low]
        let end = low + 1 < runs.count ? runs[low + 1].start : sectors
        let offset = run.image == Self.nothing ? nil : run.offset + UInt64(sector - run.start) * 512
        return (run.image, SectorRun(count: min(limit, UInt64(end - sector)), offset: offset))
    }
}

/// The parts that were merged, as many as fit into a bounded memory; those that were merged first go first.
struct MergedParts: Sendable {
    /// The runs that all of them may have together: 24 MiB.
    private static let mostRuns = 1 << 20

    private var parts: [UInt64: MergedPart] = [:]
    private var order: [UInt64] = []
    private var oldest = 0
    private var runs = 0

    /// Looks a run up in a part that is there.
    func find(_ part: UInt64, _ sector: UInt32, _ limit: UInt64) -> (image: UInt16, run: SectorRun)? {
        parts[part]?.find(sector, limit)
    }

    /// Takes a part in.
    mutating func keep(_ merged: MergedPart, for part: UInt64) {
        guard parts[part] == nil else { return }
        runs += merged.runs.count
        while runs > Self.mostRuns, oldest < order.count {
            runs -= parts.removeValue(forKey: order[oldest])?.runs.count ?? 0
            oldest += 1
        }
        if oldest > order.count / 2 {
            order.removeFirst(oldest)
            oldest = 0
        }
        order.append(part)
        parts[part] = merged
    }
}
