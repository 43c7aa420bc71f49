// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Both headers: the intact one with the higher sequence number counts, and the other is overwritten next.
///
/// ```
///   0     64 KiB    128 KiB   192 KiB        256 KiB        320 KiB ... 1 MiB
///   | "vhdxfile" | header | header | region table | region table | reserved |
/// ```
struct VHDXHeaderPair: Sendable {
    static let offsets: [UInt64] = [64 << 10, 128 << 10]
    static let fileSignature: [UInt8] = Array("vhdxfile".utf8)

    private(set) var current: VHDXHeader
    /// Which of the two is the current one.
    private var position: Int
    private(set) var isOneDamaged: Bool

    /// Reads the headers.
    ///
    /// - Parameter identified: whether the file must say what it is.
    init(_ store: any ByteStore, identified: Bool = true) throws(DiskError) {
        let path = store.name
        let length = try reaching(path) { () throws(StorageError) in try store.length() }
        guard length >= VHDX.alignment else {
            throw DiskError(.notADisk, path: path, "the file is too short for a VHDX", found: "\(length) bytes")
        }
        let signature = try reaching(path) { () throws(StorageError) in try store.bytes(at: 0, count: 8) }
        guard signature == Self.fileSignature || !identified else {
            throw DiskError(
                .notADisk, path: path, "this is no VHDX", field: "file identifier", expected: "vhdxfile")
        }
        var headers: [VHDXHeader?] = []
        for offset in Self.offsets {
            let bytes = try reaching(path) { () throws(StorageError) in
                try store.bytes(at: offset, count: VHDXHeader.count)
            }
            try headers.append(VHDXHeader(bytes, path: path))
        }
        switch (headers[0], headers[1]) {
        case (let first?, let second?):
            if first.sequence == second.sequence, first != second {
                throw .malformed(
                    path, "sequence number", expected: "another one in each header", found: first.sequence)
            }
            position = first.sequence >= second.sequence ? 0 : 1
            current = position == 0 ? first : second
        case (let first?, nil): (position, current) = (0, first)
        case (nil, let second?): (position, current) = (1, second)
        case (nil, nil):
            throw .malformed(path, "header", expected: "an intact one of two", found: "none")
        }
        isOneDamaged = headers.contains(nil)
        try current.check(path: path)
    }

    /// Replaces first the one header, then the other, so that one of them is intact at every moment.
    mutating func update(in store: any ByteStore, _ change: (inout VHDXHeader) -> Void) throws(StorageError) {
        for header in try headers(change) {
            try store.write(header.bytes(), at: Self.offsets[1 - position])
            try store.synchronize()
            position = 1 - position
            current = header
        }
        isOneDamaged = false
    }

    /// What an update writes, in its order.
    func updates(_ change: (inout VHDXHeader) -> Void) throws(StorageError) -> [(offset: UInt64, bytes: [UInt8])] {
        let headers = try headers(change)
        return [
            (Self.offsets[1 - position], try headers[0].bytes()), (Self.offsets[position], try headers[1].bytes()),
        ]
    }

    private func headers(_ change: (inout VHDXHeader) -> Void) throws(StorageError) -> [VHDXHeader] {
        guard current.sequence < .max - 1 else {
            throw StorageError(.corrupt, name: "VHDX header", detail: "has a number that cannot grow")
        }
        var header = current
        change(&header)
        return (0..<2).map { _ in
            header.sequence += 1
            return header
        }
    }
}
