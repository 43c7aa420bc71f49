// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FuzzSupport

@testable import VirtualDisk

/// Any bytes are a footer, or are refused; their checksum is made right first, for no mutation would get past it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if count >= 68 {
        Sums.correct(&bytes, 0..<min(count, 512), fieldAt: 64)
    }
    if let footer = try? VHDFooter(bytes, path: "fuzz") {
        precondition(footer.size > 0 && footer.size <= VHD.largestSize && footer.size % 512 == 0)
        precondition(footer.encoded.count == 512)
    }
    return 0
}
