// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FuzzSupport

@testable import VirtualDisk

/// Any bytes are a header with its locators, or are refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if count >= 40 {
        Sums.correct(&bytes, 0..<min(count, 1024), fieldAt: 36)
    }
    if let header = try? VHDHeader(bytes, path: "fuzz") {
        precondition(header.blockSize >= 4096 && header.blockSize <= 2 << 20)
        for locator in header.locators {
            if let range = locator.range {
                precondition(range.count >= Int(locator.length))
            }
        }
    }
    return 0
}
