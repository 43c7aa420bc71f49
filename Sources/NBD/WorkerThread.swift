// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import SystemPackage

/// A thread of our own, on which blocking is allowed.
struct WorkerThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }

    private let handle: pthread_t

    /// The thread that calls this.
    static var current: WorkerThread {
        WorkerThread(handle: pthread_self())
    }

    /// Starts a thread; it takes no signals, which stay the program's own affair.
    @discardableResult
    static func start(for purpose: String, _ run: @escaping @Sendable () -> Void) throws(NBDError) -> WorkerThread {
        let body = unsafe Unmanaged.passRetained(Body(run))
        var handle = pthread_t()
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let result = unsafe pthread_create(
            &handle, nil,
            { context in
                if let context = unsafe context {
                    unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                }
                return nil
            }, body.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            unsafe body.release()
            throw NBDError(.system, name: purpose, detail: "cannot start its thread", errno: Errno(rawValue: result))
        }
        return WorkerThread(handle: handle)
    }

    /// Waits until the thread has ended; each thread is to be joined or detached, once.
    func join() {
        pthread_join(handle, nil)
    }

    /// Lets the thread go by itself when it ends; instead of ``join()``.
    func detach() {
        pthread_detach(handle)
    }
}
