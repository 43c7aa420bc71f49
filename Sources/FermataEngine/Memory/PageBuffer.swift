// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Memory of the host for copies of guest pages, kept and grown from one checkpoint to the next.
///
/// Its pages are touched before the pause: a first touch inside it would cost fifteen times the copy.
@safe final class PageBuffer {
    private var region = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Makes room for so many bytes; what was in the buffer is lost when it grows.
    func reserve(_ count: Int) throws(EngineError) {
        guard unsafe count > region.count else { return }
        release()
        let rounded = (count + (1 << 21) - 1) & ~((1 << 21) - 1)
        let address = unsafe mmap(
            nil, rounded, PROT_READ | PROT_WRITE, CInt(MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE), -1, 0)
        guard unsafe address != MAP_FAILED else {
            throw EngineError(
                .system,
                "the host has no memory for \(rounded >> 20) MiB of guest pages; free some, or give the "
                    + "machine less")
        }
        unsafe region = UnsafeMutableRawBufferPointer(start: address, count: rounded)
    }

    /// The first `count` bytes; nothing when fewer are reserved.
    func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(rebasing: region.prefix(count))
    }

    private func release() {
        if let address = unsafe region.baseAddress { unsafe munmap(address, region.count) }
        unsafe region = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    deinit {
        release()
    }
}
