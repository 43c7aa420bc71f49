// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CSpawn
import FermataEngine
import Glibc
import SystemPackage

/// Finds the pages of a private mapping that its process has changed.
///
/// Such a page is the process's own: present or swapped out, and not a page of the mapped file.
enum PageScan {
    /// Finds them in whatever way the kernel can.
    static func changed(in process: pid_t, at base: UInt64, pages: Int) throws(Errno) -> [PageRun] {
        let pagemap = try open(process)
        do {
            return try byScan(pagemap, at: base, pages: pages)
        } catch  where error == .inappropriateIOCTLForDevice || error == .invalidArgument {
            return try byEntries(pagemap, at: base, pages: pages)
        }
    }

    static func open(_ process: pid_t) throws(Errno) -> Descriptor {
        try Descriptor.open(FilePath("/proc/\(process)/pagemap"), .readOnly)
    }

    /// By the PAGEMAP_SCAN call of kernels from 6.7 on.
    static func byScan(_ pagemap: Descriptor, at base: UInt64, pages: Int) throws(Errno) -> [PageRun] {
        let pageSize = UInt64(PageRun.pageSize)
        let end = base + UInt64(pages) * pageSize
        let capacity = 16384
        var runs: [PageRun] = []
        var from = base
        let buffer = UnsafeMutablePointer<fermata_address_run>.allocate(capacity: capacity)
        defer { unsafe buffer.deallocate() }
        while from < end {
            var scanned: UInt64 = from
            let count = unsafe fermata_scan_pages(pagemap.raw, from, end, buffer, capacity, &scanned)
            guard count >= 0 else { throw Errno(rawValue: errno) }
            for index in 0..<count {
                let run = unsafe buffer[index]
                append(Int((run.start - base) / pageSize), Int((run.end - run.start) / pageSize), to: &runs)
            }
            from = scanned
        }
        return runs
    }

    /// By the 64-bit entries of the page map, on any kernel.
    static func byEntries(_ pagemap: Descriptor, at base: UInt64, pages: Int) throws(Errno) -> [PageRun] {
        var runs: [PageRun] = []
        var entries = [UInt64](repeating: 0, count: 65536)
        var next = 0
        while next < pages {
            let wanted = min(entries.count, pages - next) * 8
            let offset = Int(base / UInt64(PageRun.pageSize)) * 8 + next * 8
            let count = unsafe entries.withUnsafeMutableBytes { buffer in
                unsafe pread(pagemap.raw, buffer.baseAddress, wanted, offset)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 8 else { throw count < 0 ? Errno(rawValue: errno) : .ioError }
            for index in 0..<count / 8 {
                // Bit 63: present; 62: swapped out; 61: a page of a file or shared.
                let entry = entries[index]
                if entry >> 62 != 0 && entry >> 61 & 1 == 0 { append(next + index, 1, to: &runs) }
            }
            next += count / 8
        }
        return runs
    }

    private static func append(_ first: Int, _ count: Int, to runs: inout [PageRun]) {
        if let last = runs.last, last.first + last.count == first {
            runs[runs.count - 1].count += count
        } else {
            runs.append(PageRun(first: first, count: count))
        }
    }
}
