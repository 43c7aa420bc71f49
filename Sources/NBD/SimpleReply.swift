// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A reply without data.
///
/// ```
///  0       4       8            16
///  ├───────┼───────┼────────────┤
///  │ magic │ error │   cookie   │
///  └───────┴───────┴────────────┘
/// ```
struct SimpleReply {
    static let length = 16

    var cookie: UInt64
    /// Why the request failed; nil when it did not.
    var error: ErrorNumber?

    func append(to bytes: inout [UInt8]) {
        bytes.append(networkOrder: Magic.simpleReply)
        bytes.append(networkOrder: error?.rawValue ?? 0)
        bytes.append(networkOrder: cookie)
    }
}

extension [UInt8] {
    /// Appends a number in network order.
    mutating func append<Number: FixedWidthInteger>(networkOrder number: Number) {
        for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }
}
