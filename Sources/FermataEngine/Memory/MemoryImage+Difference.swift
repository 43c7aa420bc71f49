// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc

extension MemoryImage {
    /// How many pages of the memory differ from another's; what only one of them has counts as zeros in the other.
    ///
    /// Pages that neither image stores are not read.
    func differingPages(from other: MemoryImage) throws(EngineError) -> Int {
        if digest == other.digest { return 0 }
        let buffers = (PageBuffer(), PageBuffer())
        try buffers.0.reserve(MemoryImage.chunk)
        try buffers.1.reserve(MemoryImage.chunk)
        var count = 0
        for run in runs + other.runs.subtracting(runs) {
            var first = run.first
            while first < run.end {
                let part = PageRun(first: first, count: min(MemoryImage.chunk / MemoryImage.pageSize, run.end - first))
                let (left, right) = unsafe (buffers.0.bytes(part.byteCount), buffers.1.bytes(part.byteCount))
                try unsafe read([part], into: left)
                try unsafe other.read([part], into: right)
                count += unsafe PageRun.differingPages(UnsafeRawBufferPointer(left), UnsafeRawBufferPointer(right))
                first = part.end
            }
        }
        return count
    }
}

extension PageRun {
    /// How many pages of two buffers of the same size differ.
    fileprivate static func differingPages(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        guard let one = left.baseAddress, let other = right.baseAddress else { return 0 }
        var count = 0
        for offset in stride(from: 0, to: left.count, by: pageSize)
        where unsafe memcmp(one + offset, other + offset, pageSize) != 0 {
            count += 1
        }
        return count
    }
}
