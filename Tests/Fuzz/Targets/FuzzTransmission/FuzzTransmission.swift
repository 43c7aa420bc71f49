// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FuzzSupport

/// Whatever a client asks once it has started, with chunks and block status or without; the first byte says which.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let isPlain = unsafe start[0] & 1 == 0
    let requests = unsafe Array(UnsafeBufferPointer(start: start + 1, count: min(count - 1, 64 << 10)))
    Visit.send((isPlain ? plain : structured) + requests)
    return 0
}

private let plain: [UInt8] = [0, 0, 0, 3] + option(7, [0, 0, 0, 0, 0, 0])

private let structured: [UInt8] =
    [0, 0, 0, 3] + option(8, []) + option(10, [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 15] + Array("base:allocation".utf8))
    + option(7, [0, 0, 0, 0, 0, 0])

private func option(_ code: UInt8, _ data: [UInt8]) -> [UInt8] {
    Array("IHAVEOPT".utf8) + [0, 0, 0, code, 0, 0, 0, UInt8(data.count)] + data
}
