// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FuzzSupport

/// Whatever a client says from its first byte on, the server ends the connection and nothing else.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe Visit.send(Array(UnsafeBufferPointer(start: start, count: min(count, 64 << 10))))
    return 0
}
