// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Checks every structural rule of one VHD, and goes on after what is wrong as far as it makes sense.
///
/// It never changes the file, and knows nothing of its parent.
struct VHDCheck {
    let store: any ByteStore
    let location: [String]
    let length: UInt64
    let sizeMode: DiskSizeMode
    var findings: DiskFindings = DiskFindings()

    /// The footer that counts, and where it is or belongs; nil when there is none.
    private(set) var footer: VHDFooter?
    private(set) var end: UInt64
    private(set) var header: VHDHeader?
    /// The parts of the file that are in use.
    var used: [(range: Range<UInt64>, what: String)] = []
    private var hasFooter = true

    init(_ store: any ByteStore, at location: [String], sizeMode: DiskSizeMode = .auto) throws(DiskError) {
        self.store = store
        self.sizeMode = sizeMode
        self.location = location
        length = try reaching(store.name) { () throws(StorageError) in try store.length() }
        end = length
    }

    /// Checks the whole file.
    mutating func run() throws(DiskError) {
        try findFooter()
        guard let footer else { return }
        guard footer.type != .fixed else {
            if footer.size > end {
                findings.add(
                    "size", "the data is cut off: the footer says \(footer.size) bytes, and the file holds \(end)")
            }
            return
        }
        try checkHeader()
        if let header { try checkTable(header, footer) }
        try placeFooter()
    }

    /// Reads bytes of the file; where it is too short, zeros.
    func bytes(at offset: UInt64, count: Int) throws(DiskError) -> [UInt8] {
        let available = Int(min(UInt64(count), length > offset ? length - offset : 0))
        let found = try reaching(store.name) { () throws(StorageError) in
            try store.bytes(at: offset, count: available)
        }
        return found + [UInt8](repeating: 0, count: count - available)
    }

    /// Replaces bytes of the file.
    func replace(_ offset: UInt64, with new: [UInt8]) -> DiskStep {
        .write(file: location, offset: offset, bytes: new)
    }

    /// Finds the footer at the end, or else its copy.
    private mutating func findFooter() throws(DiskError) {
        var failure: DiskError?
        for count in [512, 511] where length >= UInt64(count) {
            let offset = length - UInt64(count)
            let found = try bytes(at: offset, count: count)
            do throws(DiskError) {
                footer = try VHDFooter(found, path: store.name, sizeMode: sizeMode)
                end = offset
                break
            } catch {
                // Of two attempts, the one that saw a footer at all has more to say.
                if failure == nil || error.code != .notADisk { failure = error }
            }
        }
        let start = try bytes(at: 0, count: 512)
        let copy = try? VHDFooter(start, path: store.name, sizeMode: sizeMode)
        if let footer {
            guard footer.type != .fixed else { return }
            guard let copy else {
                findings.add(
                    "footer-copy-damaged", "the copy of the footer at the start of the file is damaged",
                    repair: [replace(0, with: footer.encoded)])
                return
            }
            guard
                copy.type != footer.type || copy.size != footer.size || copy.identity != footer.identity
                    || copy.dataOffset != footer.dataOffset
            else { return }
            findings.add(
                "footer-copy-differs", "the footer and its copy at the start of the file speak of different disks")
            return
        }
        guard let copy, copy.type != .fixed else {
            let missing = DiskError(.notADisk, path: store.name, "this is no VHD: it has no footer")
            findings.add("footer-missing", failure.flatMap { $0.code == .notADisk ? nil : $0 } ?? missing)
            return
        }
        footer = copy
        hasFooter = false
    }

    private mutating func checkHeader() throws(DiskError) {
        guard let footer else { return }
        let offset = footer.dataOffset
        used.append((0..<512, "the copy of the footer"))
        guard offset % 512 == 0, offset <= end, end - offset >= UInt64(VHDHeader.count) else {
            findings.add("header-outside", "the footer says that the header is at \(offset), outside the file")
            return
        }
        used.append((offset..<offset + UInt64(VHDHeader.count), "the header"))
        let found = try bytes(at: offset, count: VHDHeader.count)
        do throws(DiskError) { header = try VHDHeader(found, path: store.name) } catch {
            return findings.add("header-damaged", error)
        }
        if found[8..<16].contains(where: { $0 != 0xFF }) {
            findings.add("header-data-offset", "the header's data offset is not all ones, as the format wants it")
        }
    }

    /// Says what is wrong with the footer's place once it is known where it belongs.
    private mutating func placeFooter() throws(DiskError) {
        guard let footer, !hasFooter else { return }
        let usedEnd = VHD.roundUp(used.map(\.range.upperBound).max() ?? 0, to: 512)
        var repair: [DiskStep] = []
        // Where the blocks are is known only when all that says so is right.
        if header != nil, findings.problems.allSatisfy(\.isRepairable), usedEnd <= VHD.roundUp(length, to: 512) {
            // What a crash left behind the last block is given back, unless another program may have put it there.
            let wasThere = usedEnd + UInt64(VHDFooter.count) <= length
            end =
                footer.isOwn ? usedEnd : VHD.roundUp(wasThere ? length - UInt64(VHDFooter.count) : length, to: 512)
            let step = replace(end, with: footer.encoded)
            repair = [.length(file: location, end + UInt64(VHDFooter.count)), step]
        }
        findings.add(
            "footer-damaged", "the footer at the end of the file is damaged; its copy at the start is whole",
            repair: repair)
    }
}
