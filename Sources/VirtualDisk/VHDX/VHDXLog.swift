// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Writes the metadata's pages by way of the log, so that a crash leaves all of those that belong together, or none.
///
/// ```
///   data durable ─► entry durable ─► header names the log ─► pages in their places ─► (durable with the next flush)
///                                    once, until settled
/// ```
///
/// When an entry is written, the pages of the one before it are durable in their places, so each entry is a whole
/// sequence of its own. The one before stays as it is until the new one is durable.
struct VHDXLog: Sendable {
    private(set) var headers: VHDXHeaderPair
    private var identity: DiskIdentity = .zero
    private var sequence: UInt64 = 0
    /// Where the next entry begins.
    private var position: UInt64 = 0
    /// Whether the newest entry's pages are still to be written to their places, for want of space perhaps.
    private var isPending: Bool = false

    init(_ headers: VHDXHeaderPair) {
        self.headers = headers
    }

    private var isBegun: Bool { headers.current.log != .zero }

    /// The pages of one entry: of three entries in a row, any two must not meet in the ring.
    private var capacity: Int {
        let third = Int(headers.current.logLength) / 3
        var pages = third / VHDX.page
        while pages > 1, VHDXLogEntry.length(pages: pages) > third { pages -= 1 }
        return pages
    }

    /// Writes pages; what they refer to must be durable, and so must be the file's length.
    mutating func write(
        _ pages: [VHDXPage], to store: any ByteStore, fileLength: UInt64
    ) throws(StorageError) {
        var rest = pages[...]
        while !rest.isEmpty {
            // What is in the way of a pending entry would be lost with it.
            if rest.startIndex > 0 { try store.synchronize() }
            let part = rest.prefix(capacity)
            try writeEntry(part, to: store, fileLength: fileLength)
            isPending = true
            for page in part { try store.write(page.bytes, at: page.offset) }
            isPending = false
            rest = rest.dropFirst(part.count)
        }
    }

    private mutating func writeEntry(
        _ pages: ArraySlice<VHDXPage>, to store: any ByteStore, fileLength: UInt64
    ) throws(StorageError) {
        if !isBegun { (identity, sequence, position) = (.random(), 0, 0) }
        let count = UInt64(VHDXLogEntry.length(pages: pages.count))
        let start = position + count <= UInt64(headers.current.logLength) ? position : 0
        let bytes = try VHDXLogEntry.bytes(
            pages, identity: identity, sequence: sequence + 1, position: start, fileLength: fileLength)
        try store.write(bytes, at: headers.current.logOffset + start)
        try store.synchronize()
        sequence += 1
        position = start + count
        if !isBegun { try headers.update(in: store) { [identity] in $0.log = identity } }
    }

    /// Ends the use of the log: nothing in it is to be done.
    mutating func settle(_ store: any ByteStore) throws(StorageError) {
        guard isBegun else { return }
        guard !isPending else {
            throw StorageError(.io, name: store.name, detail: "has metadata that is not in its place yet")
        }
        try store.synchronize()
        try headers.update(in: store) { $0.log = .zero }
    }
}
