// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// A file as it will be when its log is replayed, without changing it.
final class VHDXReplayedStore: ByteStore {
    private let store: any ByteStore
    private let replay: VHDXReplay

    init(_ store: any ByteStore, _ replay: VHDXReplay) {
        self.store = store
        self.replay = replay
    }

    var name: String { store.name }

    func length() throws(StorageError) -> UInt64 { max(try store.length(), replay.length) }

    func status() throws(StorageError) -> FileStatus { try store.status() }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int {
        let end = max(try length(), offset)
        let count = Int(min(UInt64(buffer.byteCount), end - offset))
        let found = try store.read(into: &buffer, at: offset)
        if found < count {
            var rest = buffer._mutatingExtracting(found..<count)
            rest.fillWithZeros()
        }
        let range = offset..<offset + UInt64(count)
        for zeros in replay.zeros where zeros.overlaps(range) {
            let common = zeros.clamped(to: range)
            var part = buffer._mutatingExtracting(
                Int(common.lowerBound - offset)..<Int(common.upperBound - offset))
            part.fillWithZeros()
        }
        let page = UInt64(VHDX.page)
        var start = offset / page * page
        while start < range.upperBound {
            if let bytes = replay.pages[start] {
                let common = (start..<start + page).clamped(to: range)
                for position in common {
                    buffer.storeBytes(
                        of: bytes[Int(position - start)], toByteOffset: Int(position - offset), as: UInt8.self)
                }
            }
            start += page
        }
        return count
    }

    func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>? {
        let end = try length()
        return offset < end ? offset..<end : nil
    }

    func setModificationTime(_ seconds: Int64) throws(StorageError) { throw refusal }
    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) { throw refusal }
    func truncate(to length: UInt64) throws(StorageError) { throw refusal }
    func allocate(_ range: Range<UInt64>) throws(StorageError) { throw refusal }
    func punchHole(_ range: Range<UInt64>) throws(StorageError) { throw refusal }
    func synchronize() throws(StorageError) {}

    private var refusal: StorageError {
        StorageError(.readOnly, name: name, detail: "is open for reading only")
    }
}
