// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One chunk of a structured reply; the last of a reply is marked.
///
/// ```
///  0       4       6      8            16       20
///  ├───────┼───────┼──────┼────────────┼────────┼─────────────────┐
///  │ magic │ flags │ type │   cookie   │ length │ payload: length │
///  └───────┴───────┴──────┴────────────┴────────┴─────────────────┘
///   OFFSET_DATA   offset 8, data
///   OFFSET_HOLE   offset 8, length 4
///   BLOCK_STATUS  context 4, then (length 4, state 4) for each extent
///   ERROR         error 4, message length 2, message
/// ```
enum Chunk: UInt16 {
    case none = 0
    case offsetData = 1
    case offsetHole = 2
    case blockStatus = 5
    case error = 0x8001

    /// The length of a chunk without its payload.
    static let headerLength = 20
    /// The flag of a reply's last chunk.
    static let done: UInt16 = 1
}

/// The one kind of block status offered: what is allocated.
enum AllocationContext {
    static let name = "base:allocation"
    /// The number by which replies refer to it.
    static let id: UInt32 = 1
    /// Nothing is stored there.
    static let hole: UInt32 = 1 << 0
    /// It reads as zeroes.
    static let zero: UInt32 = 1 << 1
}
