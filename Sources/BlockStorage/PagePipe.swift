// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
import SystemPackage

/// Bytes of files on their way to a socket, as references to the system's own pages: nobody copies them.
///
/// ```
///   a file's pages ── gather ──► pipe ── drain ──► socket ── the client's own copy ──►
/// ```
/// What is written to the file meanwhile may be what the client gets, so only bytes that a request under way asks for
/// are sent like this: requests that overlap have no order. Used by one thread at a time.
public final class PagePipe {
    /// What is asked of the system: a user may have 64 MiB in all, for 256 clients.
    private static let capacity: CInt = 256 << 10

    /// The bytes that wait in it.
    public private(set) var count: Int = 0

    private let reading: CInt
    private let writing: CInt

    /// Makes an empty one, which takes two descriptors.
    ///
    /// - Throws: also when the system has no room for one of a size that is of use.
    public init() throws(StorageError) {
        var ends: [CInt] = [-1, -1]
        guard unsafe fermata_pipe(&ends) == 0 else {
            throw .system("pipe", "cannot be made")
        }
        reading = ends[0]
        writing = ends[1]
        // One that is small has to be filled and emptied so often that copying takes less time.
        guard fermata_resize_pipe(writing, Self.capacity) >= Self.capacity else {
            throw StorageError(.io, name: "pipe", detail: "cannot have \(Self.capacity) bytes", errno: .noMemory)
        }
    }

    deinit {
        _ = Glibc.close(reading)
        _ = Glibc.close(writing)
    }

    /// Takes bytes of a file in, as many as there is room for.
    ///
    /// - Returns: how many; none where the file ends, or its file system cannot do it.
    func gather(from file: CInt, at offset: Int64, count wanted: Int, name: String) throws(StorageError) -> Int {
        var done = 0
        while done < wanted {
            let moved = fermata_splice_in(file, offset + Int64(done), writing, UInt64(wanted - done))
            if moved > 0 {
                done += Int(moved)
                count += Int(moved)
            } else if moved == 0 || errno != EINTR {
                // What has been taken in counts; the next request finds the failure again.
                guard moved < 0, done == 0, ![EAGAIN, EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) else { break }
                throw .system(name, "cannot be read", offset: UInt64(offset))
            }
        }
        return done
    }

    /// Gives everything that waits to a connected socket, and waits for room there.
    ///
    /// - Returns: whether all of it went; `errno` tells why not. What is left counts for nothing any more.
    public func drain(to socket: CInt) -> Bool {
        while count > 0 {
            let moved = fermata_splice_out(reading, socket, UInt64(count))
            if moved > 0 {
                count -= Int(moved)
            } else if moved == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }
}
