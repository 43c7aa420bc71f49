// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CSpawn
import FermataEngine
import Glibc
import SystemPackage

/// The main memory of a guest, reached from outside its process.
struct GuestMemory: Sendable {
    private let process: ChildProcess
    private let base: UInt64
    private let pages: Int

    /// What the kernel takes in one call.
    private static let runsPerCall = 1024
    private static let bytesPerCall = 1 << 30

    /// Finds the private mapping of the image in the process.
    init(of image: Descriptor, size: UInt64, in process: ChildProcess) throws(HypervisorError) {
        self.process = process
        pages = Int(size) / PageRun.pageSize
        var status = stat()
        guard unsafe fstat(image.raw, &status) == 0,
            let maps = process.whileUnreaped({ Self.contents("/proc/\($0)/maps") }) ?? nil
        else { throw HypervisorError(.failed, "The memory map of the machine's process cannot be read.") }
        guard let base = MappedFile.address(of: status, size: size, in: maps) else {
            throw HypervisorError(.failed, "The machine's process has not mapped its memory image as expected.")
        }
        self.base = base
    }

    private static func contents(_ path: String) -> String? {
        guard let file = try? Descriptor.open(FilePath(path), .readOnly) else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe Glibc.read(file.raw, &buffer, buffer.count)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            if count > 0 { bytes += buffer[..<count] } else if errno != EINTR { return nil }
        }
    }

    /// The runs of pages that differ from the image.
    func changedPages() throws(HypervisorError) -> [PageRun] {
        do {
            if let runs = try process.whileUnreaped({ try PageScan.changed(in: $0, at: base, pages: pages) }) {
                return runs
            }
        } catch {
            throw HypervisorError(.failed, "The changed pages of the machine's memory could not be found: \(error).")
        }
        throw Self.gone
    }

    /// The changed pages by either way in which they can be found, which must find the same.
    func scanBothWays() throws -> (byScan: [PageRun], byEntries: [PageRun]) {
        let both = try process.whileUnreaped { process in
            let pagemap = try PageScan.open(process)
            return (
                try PageScan.byScan(pagemap, at: base, pages: pages),
                try PageScan.byEntries(pagemap, at: base, pages: pages)
            )
        }
        guard let both else { throw Self.gone }
        return both
    }

    /// Copies runs to the buffer.
    func read(_ runs: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws(HypervisorError) {
        try unsafe transfer(runs, buffer.baseAddress, buffer.count, "read") { process, local, remote, count in
            unsafe fermata_read_memory(process, local, 1, remote, count)
        }
    }

    /// Copies the buffer to runs.
    func write(_ runs: [PageRun], from buffer: UnsafeRawBufferPointer) throws(HypervisorError) {
        let start = unsafe UnsafeMutableRawPointer(mutating: buffer.baseAddress)
        try unsafe transfer(runs, start, buffer.count, "written") { process, local, remote, count in
            unsafe fermata_write_memory(process, local, 1, remote, count)
        }
    }

    private static let gone = HypervisorError(.ended, "The machine's process has ended, and its memory with it.")

    private func transfer(
        _ runs: [PageRun], _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ what: String,
        _ copy: (pid_t, UnsafePointer<iovec>, UnsafePointer<iovec>, Int) -> Int
    ) throws(HypervisorError) {
        var total = 0
        for run in runs {
            guard run.first >= 0, run.count > 0, run.first <= pages, run.count <= pages - run.first else {
                throw HypervisorError(.refused, "Pages \(run.first)... lie outside the machine's memory.")
            }
            total += run.byteCount
        }
        guard total == size else {
            throw HypervisorError(.refused, "A buffer of \(size) bytes does not fit runs of \(total) bytes of memory.")
        }
        guard total > 0, let buffer = unsafe buffer else { return }
        let result = process.whileUnreaped { process -> Errno? in
            unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.runsPerCall) { vectors in
                unsafe transfer(runs, buffer, vectors) { local, remote, count in
                    unsafe copy(process, local, remote, count)
                }
            }
        }
        switch result {
        case .none: throw Self.gone
        case .some(.some(let error)):
            throw HypervisorError(.failed, "The machine's memory could not be \(what) from outside: \(error).")
        case .some(.none): return
        }
    }

    /// Goes through the runs in batches; what the kernel did not copy at once begins the next batch.
    private func transfer(
        _ runs: [PageRun], _ buffer: UnsafeMutableRawPointer, _ vectors: UnsafeMutableBufferPointer<iovec>,
        _ copy: (UnsafePointer<iovec>, UnsafePointer<iovec>, Int) -> Int
    ) -> Errno? {
        guard let remote = vectors.baseAddress else { return .invalidArgument }
        var run = 0
        var offsetInRun = 0
        var done = 0
        while run < runs.count {
            var count = 0
            var bytes = 0
            var (next, offset) = (run, offsetInRun)
            while next < runs.count, count < Self.runsPerCall, bytes < Self.bytesPerCall {
                let length = min(runs[next].byteCount - offset, Self.bytesPerCall - bytes)
                let address = base + UInt64(runs[next].first * PageRun.pageSize + offset)
                unsafe (remote + count).initialize(
                    to: iovec(iov_base: UnsafeMutableRawPointer(bitPattern: UInt(address)), iov_len: length))
                count += 1
                bytes += length
                offset += length
                if offset == runs[next].byteCount { (next, offset) = (next + 1, 0) }
            }
            var local = unsafe iovec(iov_base: buffer + done, iov_len: bytes)
            var copied = unsafe copy(&local, remote, count)
            if copied < 0 && errno == EINTR { continue }
            guard copied > 0 else { return copied == 0 ? .badAddress : Errno(rawValue: errno) }
            done += copied
            while copied > 0 {
                let step = min(copied, runs[run].byteCount - offsetInRun)
                copied -= step
                offsetInRun += step
                if offsetInRun == runs[run].byteCount { (run, offsetInRun) = (run + 1, 0) }
            }
        }
        return nil
    }
}
