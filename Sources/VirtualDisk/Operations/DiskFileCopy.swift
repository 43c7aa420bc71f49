// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// A second file with the bytes of a disk's file.
public enum DiskFileCopy {
    /// Copies a file byte for byte, its holes and its time of change included; durable on return.
    ///
    /// - Parameter target: must not exist yet; only its owner can reach it.
    public static func copy(_ source: FilePath, to target: FilePath) throws(DiskError) {
        try reaching(source.string) { () throws(StorageError) in
            let from = try FileStore(opening: source, access: .readOnly)
            let to = try FileStore(creating: target, permissions: .ownerReadWrite)
            let length = try from.length()
            try to.truncate(to: length)
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            for extent in try from.extents(in: 0..<length, limit: .max) where extent.kind == .data {
                var position = extent.range.lowerBound
                while position < extent.range.upperBound {
                    let count = Int(min(extent.range.upperBound - position, UInt64(buffer.count)))
                    do {
                        var span = buffer.mutableSpan
                        var bytes = unsafe span.mutableBytes
                        var part = bytes._mutatingExtracting(first: count)
                        try from.readFully(into: &part, at: position)
                    }
                    try to.write(unsafe buffer.span.bytes.extracting(first: count), at: position)
                    position += UInt64(count)
                }
            }
            try to.synchronize()
            // A child records when its parent was changed.
            try to.setModificationTime(from.status().modificationTime)
        }
    }
}
