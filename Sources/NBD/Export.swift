// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

/// A disk under a name, as clients see it; the device behind it can be exchanged while they are connected.
///
/// Requests *enter* the export, use its device and *leave*. A swap, or a closed gate, holds the requests that have not
/// entered; none is lost, and those that have entered finish on the device on which they began.
///
/// ```
///                 gate closed or swap under way
///  request ──► held ──────────────────────────► entered ──► device ──► left ──► reply
///                 gate open, swap done              counted in requestsInFlight
/// ```
///
/// FLUSH, and the sync of a request with FUA, go by ``FlushMode``.
public final class Export: Sendable {
    struct State: Sendable {
        var device: any BlockDevice
        /// The closed gates and swaps under way, each of which holds new requests.
        var holds = 0
        var requestsInFlight = 0
        /// The FLUSHes and syncs of FUA that have arrived and are not done.
        var flushesInFlight = 0
        /// The threads that wait until nothing is in flight.
        var drains = 0
        var flushMode: FlushMode = .durable
    }

    /// The name by which clients choose the export; the empty name is that of the default export.
    public let name: String
    /// A sentence for people.
    public let summary: String
    /// The size in bytes; every device behind the export has it.
    public let size: UInt64
    /// The bytes of a sector, the least that a request may be about; the same for every device behind the export.
    public let sectorSize: UInt32
    /// Whether writes are refused; the same for every device behind the export.
    public let isReadOnly: Bool

    let state: Monitor<State>
    private let onError: @Sendable (StorageError) -> Void

    /// Makes an export of a device.
    ///
    /// - Parameter onError: told of each failure of a device, on the thread of the request that met it; must not block.
    public init(
        _ device: any BlockDevice, name: String = "", summary: String = "",
        onError: @escaping @Sendable (StorageError) -> Void = { _ in }
    ) {
        self.name = name
        self.summary = summary
        size = device.size
        sectorSize = device.sectorSize
        isReadOnly = device.isReadOnly
        state = Monitor(State(device: device))
        self.onError = onError
    }

    /// The device that takes requests now.
    public var device: any BlockDevice {
        state.withLock { $0.device }
    }

    /// Exchanges the device behind the live connections.
    ///
    /// New requests are held until the old device's requests have left; a FLUSH under way ends on the old device by
    /// itself. Nothing is synced here: what the old device still owes is the business of the barrier given to
    /// ``resumeFlushes(behind:)``, or of a caller that flushes it while the gate is closed.
    /// - Parameter limit: how long to wait for requests in flight; nil waits as long as they take.
    /// - Returns: the old device.
    /// - Throws: ``NBDError/Code/deviceMismatch`` or ``NBDError/Code/timedOut``; nothing has changed then.
    @discardableResult
    public func swap(to device: any BlockDevice, within limit: Duration? = nil) throws(NBDError) -> any BlockDevice {
        guard device.size == size, device.sectorSize == sectorSize, device.isReadOnly == isReadOnly else {
            throw NBDError(
                .deviceMismatch, name: "export \"\(name)\"",
                detail: "a device can only be exchanged for one of the same size and sectors that takes writes alike")
        }
        closeGate()
        defer { openGate() }
        return try whenDrained(flushes: false, within: limit) { state in
            let old = state.device
            state.device = device
            return old
        }
    }

    func report(_ error: StorageError) {
        onError(error)
    }
}
