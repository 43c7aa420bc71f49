// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CSpawn
import Dispatch
import Glibc
import QMP
import Synchronization
import SystemPackage

/// The one thread that forks: it lives as long as this process.
///
/// A child dies by PR_SET_PDEATHSIG when the *thread* that forked it ends, so a thread of a pool must not do it.
final class SpawnThread: Sendable {
    static let shared = SpawnThread()

    struct Request: Sendable {
        var program: FilePath
        var arguments: [String]
        /// What the child gets as 3, 4, 5 and so on.
        var descriptors: [Descriptor]
        var standardError: Descriptor
    }

    struct Failure: Error {
        var step: String
        var errno: Errno
    }

    private struct Job: Sendable {
        var request: Request
        var continuation: CheckedContinuation<Result<pid_t, Failure>, Never>
    }

    private let jobs = Mutex<[Job]>([])
    private let work = DispatchSemaphore(value: 0)
    private let thread = Mutex<BlockingThread?>(nil)

    /// Starts the program.
    func spawn(_ request: Request) async throws(Failure) -> pid_t {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<pid_t, Failure>, Never>) in
            let started = thread.withLock { thread in
                if thread == nil { thread = BlockingThread { [self] in serve() } }
                return thread != nil
            }
            guard started else {
                let failure = Failure(step: "thread", errno: .resourceTemporarilyUnavailable)
                continuation.resume(returning: .failure(failure))
                return
            }
            jobs.withLock { $0.append(Job(request: request, continuation: continuation)) }
            work.signal()
        }.get()
    }

    private func serve() {
        while true {
            work.wait()
            guard let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { continue }
            job.continuation.resume(returning: Self.spawn(job.request))
        }
    }

    private static func spawn(_ request: Request) -> Result<pid_t, Failure> {
        let arguments = CStrings(request.arguments)
        let environment = CStrings(inheritedEnvironment())
        let descriptors = request.descriptors.map(\.raw)
        var step: UnsafePointer<CChar>?
        let child = unsafe request.program.withPlatformString { path in
            unsafe descriptors.withUnsafeBufferPointer { descriptors in
                var spawn = unsafe fermata_spawn(
                    path: path, arguments: arguments.pointer, environment: environment.pointer,
                    descriptors: descriptors.baseAddress, descriptor_count: descriptors.count,
                    standard_error: request.standardError.raw, detached: 0)
                return unsafe fermata_spawn(&spawn, &step)
            }
        }
        let error = Errno(rawValue: errno)
        if child > 0 { return .success(child) }
        let name = if let step = unsafe step { unsafe String(cString: step) } else { "spawn" }
        return .failure(Failure(step: name, errno: error))
    }

    /// What finds libraries and folders passes; nothing else that could change what a machine is.
    private static func inheritedEnvironment() -> [String] {
        ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "QEMU_MODULE_DIR"].compactMap { name in
            guard let value = unsafe getenv(name) else { return nil }
            return unsafe "\(name)=\(String(cString: value))"
        } + ["LC_ALL=C"]
    }
}

/// Strings as a C array ended by NULL.
@safe private final class CStrings {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        unsafe pointer = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { unsafe (pointer + index).initialize(to: strdup(string)) }
        unsafe (pointer + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { unsafe free(pointer[index]) }
        unsafe pointer.deallocate()
    }
}
