// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Checks every structural rule of one VHDX, and goes on after what is wrong as far as it makes sense.
///
/// ```
///   identifier ─ headers ─ log ─► file as the log makes it ─ region tables ─ metadata ─ block table
///                two                                         two
/// ```
///
/// Of what there are two, one can be lost. What there is one of cannot be repaired, but for bits that mean nothing. It
/// never changes the file, and knows nothing of its parent.
struct VHDXCheck {
    /// What can be repaired.
    private struct Repairable {
        var code: String
        var message: String
        var steps: [DiskStep]
        /// Whether it is right only in a file that has nothing else that is wrong and stays so.
        var needsRest: Bool
    }

    let location: [String]
    let length: UInt64
    var findings: DiskFindings = DiskFindings()

    /// The file as it is, and then as its log makes it.
    private(set) var store: any ByteStore
    /// The parts of the file that are in use.
    var used: [VHDXPart] = [VHDXPart(range: 0..<VHDX.alignment, what: .headers)]
    private var repairable: [Repairable] = []
    /// Whether the file was made by this module.
    private(set) var isOwn: Bool = false

    init(_ store: any ByteStore, at location: [String]) throws(DiskError) {
        self.store = store
        self.location = location
        length = try reaching(store.name) { () throws(StorageError) in try store.length() }
    }

    /// Checks the whole file.
    mutating func run() throws(DiskError) {
        try checkFile()
        let isSound = findings.problems.allSatisfy(\.isRepairable)
        for problem in repairable {
            findings.add(problem.code, problem.message, repair: isSound || !problem.needsRest ? problem.steps : [])
        }
    }

    /// Tells of something that the steps repair.
    mutating func add(_ code: String, _ message: String, repair: [DiskStep], needsRest: Bool = true) {
        repairable.append(Repairable(code: code, message: message, steps: repair, needsRest: needsRest))
    }

    /// Replaces bytes of the file.
    func replace(_ offset: UInt64, with new: [UInt8]) -> DiskStep {
        .write(file: location, offset: offset, bytes: new)
    }

    /// What a structure says, or nil when it contradicts the format, which is told.
    mutating func reading<Result>(_ code: String, _ body: () throws(DiskError) -> Result) throws(DiskError) -> Result? {
        do throws(DiskError) { return try body() } catch {
            // A file that cannot be read is no damaged one.
            guard error.underlying?.errno == nil else { throw error }
            findings.add(code, error)
            return nil
        }
    }

    private mutating func checkFile() throws(DiskError) {
        guard length >= VHDX.alignment else {
            return findings.add("identifier", "this is no VHDX: the file has only \(length) bytes")
        }
        let signature = try reaching(store.name) { () throws(StorageError) in try store.bytes(at: 0, count: 8) }
        let isIdentified = signature == VHDXHeaderPair.fileSignature
        isOwn = try reaching(store.name) { () throws(StorageError) in try VHDXStructure.isOwn(store) }
        let headers: VHDXHeaderPair
        do throws(DiskError) { headers = try VHDXHeaderPair(store, identified: false) } catch {
            guard error.underlying?.errno == nil else { throw error }
            guard isIdentified else { return findings.add("identifier", "this is no VHDX: its identifier is missing") }
            return findings.add("header-damaged", error)
        }
        try checkLog(headers)
        guard findings.problems.allSatisfy(\.isRepairable) else { return }
        if !isIdentified {
            add(
                "identifier", "the file's identifier is damaged; what follows is that of a VHDX",
                repair: [replace(0, with: VHDXHeaderPair.fileSignature)])
        }
        guard let regions = try checkRegions(headers.current),
            let metadata = try checkMetadata(regions.metadata)
        else { return }
        try checkTable(metadata, regions.table)
        checkOverlaps()
    }

    /// Checks the headers against one another, and goes on with what the log makes of the file.
    private mutating func checkLog(_ headers: VHDXHeaderPair) throws(DiskError) {
        var replay: VHDXReplay?
        if headers.current.log != .zero {
            let original = store
            replay = try reading("log-damaged") { () throws(DiskError) in
                try VHDXReplay(original, headers.current)
            }
            guard let replay else { return }
            store = VHDXReplayedStore(store, replay)
        }
        let (name, location) = (store.name, location)
        func updates(_ change: (inout VHDXHeader) -> Void) throws(DiskError) -> [DiskStep] {
            try reaching(name) { () throws(StorageError) in try headers.updates(change) }
                .map { .write(file: location, offset: $0.offset, bytes: $0.bytes) }
        }
        // One that is out of date is none: programs leave it so, and its number says that it does not count.
        if headers.isOneDamaged {
            guard let repair = try reading("header-sequence", { () throws(DiskError) in try updates { _ in } }) else {
                return
            }
            add(
                "header-damaged", "one of the two headers is damaged; the other one is whole", repair: repair,
                needsRest: false)
        }
        guard let replay else { return }
        let steps = try reading("log-long") { () throws(DiskError) in
            try replay.steps(location, path: name)
                + updates { header in
                    header.fileWrite = .random()
                    header.log = .zero
                }
        }
        guard let steps else { return }
        add("log-dirty", "the disk was not closed: its log holds what is not in its place yet", repair: steps)
    }

    /// Checks the region tables against one another, and that the regions lie in the file.
    private mutating func checkRegions(_ header: VHDXHeader) throws(DiskError) -> VHDXRegionTable? {
        var copies: [(bytes: [UInt8], table: VHDXRegionTable?)] = []
        for offset in VHDXRegionTable.offsets {
            let bytes = try reaching(store.name) { () throws(StorageError) in
                try store.bytes(at: offset, count: VHDXRegionTable.count)
            }
            let path = store.name
            // Without a checksum that fits, nil; with one, whatever is wrong was written so.
            guard
                let table = try reading(
                    "region-table", { () throws(DiskError) in try VHDXRegionTable(bytes, path: path) })
            else { return nil }
            copies.append((bytes, table))
        }
        guard let intact = copies.first(where: { $0.table != nil }), let regions = intact.table else {
            findings.add("region-table-damaged", "both region tables are damaged")
            return nil
        }
        for (offset, copy) in zip(VHDXRegionTable.offsets, copies) {
            if copy.table == nil {
                add(
                    "region-table-damaged", "the region table at \(offset) is damaged; the other one is whole",
                    repair: [replace(offset, with: intact.bytes)], needsRest: false)
            } else if copy.table != regions {
                findings.add("region-tables-differ", "the two region tables are whole, and speak of different regions")
                return nil
            }
        }
        let end = try reaching(store.name) { () throws(StorageError) in try store.length() }
        let parts: [(VHDXPart.What, Range<UInt64>)] =
            [(.log, header.logRange), (.table, regions.table), (.metadata, regions.metadata)]
            + regions.others.map { (.region, $0) }
        var areInside = true
        for (what, range) in parts {
            used.append(VHDXPart(range: range, what: what))
            guard range.upperBound > end else { continue }
            areInside = false
            findings.add("region-outside", "\(what) at \(range) does not lie inside the file of \(end) bytes")
        }
        return areInside ? regions : nil
    }

    private mutating func checkOverlaps() {
        let sorted = used.sorted { $0.range.lowerBound < $1.range.lowerBound }
        guard var widest = sorted.first else { return }
        for part in sorted.dropFirst() {
            if part.range.lowerBound < widest.range.upperBound {
                findings.add("overlap", "\(widest.what) and \(part.what) share the bytes at \(part.range.lowerBound)")
            }
            if part.range.upperBound > widest.range.upperBound { widest = part }
        }
    }
}

/// A part of a VHDX's file that is in use.
struct VHDXPart {
    enum What: CustomStringConvertible {
        case headers, log, table, metadata, region
        case block(Int)
        case bitmap(Int)

        var description: String {
            switch self {
            case .headers: "the header section"
            case .log: "the log"
            case .table: "the block table"
            case .metadata: "the metadata"
            case .region: "a region"
            case .block(let number): "block \(number)"
            case .bitmap(let chunk): "sector bitmap \(chunk)"
            }
        }
    }

    var range: Range<UInt64>
    var what: What
}
