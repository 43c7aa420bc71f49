// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Hashing

/// A header: whose content the file is, and where its log lies.
///
/// ```
///   0  "head"         4  checksum        8  sequence       16  file write    32  data write
///  48  log identity  64  log version    66  version        68  log length    72  log offset
/// ```
///
/// Numbers have their lowest byte first. It knows nothing of the other header.
struct VHDXHeader: Hashable, Sendable {
    static let count: Int = 4096
    private static let signature: [UInt8] = Array("head".utf8)

    var sequence: UInt64
    /// Changes whenever a program begins to change the file.
    var fileWrite: DiskIdentity
    /// Changes whenever a program begins to change the disk: by it a disk is known to its children.
    var dataWrite: DiskIdentity
    /// What the log's entries must have to count; zero when there is nothing in the log.
    var log: DiskIdentity
    var logVersion: UInt16 = 0
    var version: UInt16 = 1
    var logLength: UInt32
    var logOffset: UInt64

    init(
        sequence: UInt64, fileWrite: DiskIdentity, dataWrite: DiskIdentity, log: DiskIdentity = .zero,
        logLength: UInt32, logOffset: UInt64
    ) {
        self.sequence = sequence
        self.fileWrite = fileWrite
        self.dataWrite = dataWrite
        self.log = log
        self.logLength = logLength
        self.logOffset = logOffset
    }

    /// Reads a header; nil when it is not intact.
    init?(_ bytes: [UInt8], path: String) throws(DiskError) {
        guard bytes.count == Self.count, Array(bytes.prefix(4)) == Self.signature else { return nil }
        let fields = DiskFields(bytes, .little, path: path)
        let sum: UInt32 = try fields.integer(at: 4)
        guard sum == CRC32C.checksum(bytes, fieldAt: 4) else { return nil }
        sequence = try fields.integer(at: 8)
        fileWrite = try DiskIdentity(fields, at: 16)
        dataWrite = try DiskIdentity(fields, at: 32)
        log = try DiskIdentity(fields, at: 48)
        logVersion = try fields.integer(at: 64)
        version = try fields.integer(at: 66)
        logLength = try fields.integer(at: 68)
        logOffset = try fields.integer(at: 72)
    }

    /// The header as it goes to the file.
    func bytes() throws(StorageError) -> [UInt8] {
        var writer = FieldWriter(count: Self.count, .little, name: "VHDX header")
        try writer.put(Self.signature, at: 0)
        try writer.put(sequence, at: 8)
        try writer.put(fileWrite.mixed, at: 16)
        try writer.put(dataWrite.mixed, at: 32)
        try writer.put(log.mixed, at: 48)
        try writer.put(logVersion, at: 64)
        try writer.put(version, at: 66)
        try writer.put(logLength, at: 68)
        try writer.put(logOffset, at: 72)
        try writer.put(CRC32C.checksum(writer.bytes), at: 4)
        return writer.bytes
    }

    /// Checks what the header says, the file's length not considered.
    func check(path: String) throws(DiskError) {
        guard version == 1 else {
            throw DiskError(
                .unsupported, path: path, "this version of VHDX is not known", field: "version", expected: "1",
                found: "\(version)")
        }
        guard log == .zero || logVersion == 0 else {
            throw DiskError(
                .unsupported, path: path, "this version of the log is not known", field: "log version", expected: "0",
                found: "\(logVersion)")
        }
        guard UInt64(logLength) % VHDX.alignment == 0, logLength > 0, logLength <= VHDX.longestLog else {
            throw .malformed(
                path, "log length", expected: "a multiple of 1 MiB up to 64 MiB", found: logLength)
        }
        guard logOffset % VHDX.alignment == 0, logOffset >= VHDX.alignment, logOffset <= 1 << 62 else {
            throw .malformed(path, "log offset", expected: "a multiple of 1 MiB from 1 MiB up", found: logOffset)
        }
    }

    var logRange: Range<UInt64> { logOffset..<logOffset + UInt64(logLength) }
}
