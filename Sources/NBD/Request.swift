// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One request of the transmission phase.
///
/// ```
///  0       4       6       8            16           24       28
///  ├───────┼───────┼───────┼────────────┼────────────┼────────┼──────────────────────┐
///  │ magic │ flags │command│   cookie   │   offset   │ length │ WRITE: length bytes  │
///  └───────┴───────┴───────┴────────────┴────────────┴────────┴──────────────────────┘
/// ```
struct Request: Hashable {
    /// The length of a request without its payload.
    static let headerLength = 28

    var flags: CommandFlags
    var command: UInt16
    /// The client's name for the request; its reply carries it.
    var cookie: UInt64
    var offset: UInt64
    var length: UInt32

    /// The bytes that the request is about; nil when their end cannot be told in 64 bits.
    var range: Range<UInt64>? {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(length))
        return overflow ? nil : offset..<end
    }
}

/// What a request asks for.
enum Command: UInt16 {
    case read = 0
    case write = 1
    case disconnect = 2
    case flush = 3
    case trim = 4
    case cache = 5
    case writeZeroes = 6
    case blockStatus = 7

    /// The flags that the command knows; any other makes the request invalid.
    var knownFlags: CommandFlags {
        switch self {
        case .read: [.fua, .df]
        case .writeZeroes: [.fua, .noHole, .fastZero]
        case .blockStatus: [.fua, .reqOne]
        case .write, .trim, .flush, .cache: [.fua]
        case .disconnect: []
        }
    }
}

/// How a request is to be done.
struct CommandFlags: OptionSet, Hashable {
    let rawValue: UInt16
    /// Force unit access: reply once the data are durable.
    static let fua = CommandFlags(rawValue: 1 << 0)
    /// Zeroes must take space.
    static let noHole = CommandFlags(rawValue: 1 << 1)
    /// Don't fragment: reply to READ in one chunk.
    static let df = CommandFlags(rawValue: 1 << 2)
    /// Reply to BLOCK_STATUS with one extent.
    static let reqOne = CommandFlags(rawValue: 1 << 3)
    /// Zero only when that is faster than writing zeroes.
    static let fastZero = CommandFlags(rawValue: 1 << 4)
}
