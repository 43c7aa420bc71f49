// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
public import FermataEngine
internal import Synchronization

/// A disk of a simulated machine: requests go to whatever device is behind it.
public final class SimulatedDisk: GuestDisk {
    private enum Mode {
        case durable
        case counted(Int)
        case behind(@Sendable () throws -> Void)
    }

    private struct State {
        var device: any BlockDevice
        var mode = Mode.durable
    }

    /// Its name.
    public let name: String
    private let state: Mutex<State>
    private let requests = Mutex<Void>(())

    init(_ disk: Launch.Disk) {
        name = disk.name
        state = Mutex(State(device: disk.device))
    }

    /// Does a request of the guest on the device behind it now.
    func request<Result: Sendable>(_ body: (any BlockDevice) throws -> Result) throws -> Result {
        try requests.withLock { _ in try body(state.withLock { $0.device }) }
    }

    /// A FLUSH of the guest.
    func flush() throws {
        let (mode, device) = state.withLock { state in
            if case .counted(let count) = state.mode { state.mode = .counted(count + 1) }
            return (state.mode, state.device)
        }
        switch mode {
        case .counted: return
        case .behind(let barrier): try barrier()
        case .durable: break
        }
        try device.flush()
    }

    /// Counts FLUSHes from now on; none is ever in flight here.
    public func holdFlushes(limit: Duration) async -> Bool {
        state.withLock { $0.mode = .counted(0) }
        return false
    }

    /// How many were counted.
    public var heldFlushes: Int {
        state.withLock { if case .counted(let count) = $0.mode { count } else { 0 } }
    }

    /// Lets them reach the device again.
    public func release(behind barrier: (@Sendable () throws -> Void)?) {
        state.withLock { $0.mode = barrier.map { .behind($0) } ?? .durable }
    }

    /// Puts another device behind the disk.
    public func replace(with device: any BlockDevice) throws {
        state.withLock { $0.device = device }
    }

    /// Puts another device behind the disk, with no request in flight.
    public func exchange(for make: @escaping @Sendable () throws -> any BlockDevice) async throws {
        try requests.withLock { _ in
            let device = try make()
            state.withLock { $0.device = device }
        }
    }
}
