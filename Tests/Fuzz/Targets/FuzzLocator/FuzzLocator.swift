// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

@testable import VirtualDisk

/// Any bytes are the path to a parent, or are refused; the path stays in the lab.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    guard let text = try? VHDParentLocator.text(bytes, path: "fuzz") else {
        return 0
    }
    if let location = LabPath.resolve(text, from: ["machine", "disks", "leaf.vhd"]) {
        precondition(!location.isEmpty)
        precondition(location.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("/") })
    }
    if let name = LabPath.lastName(text) {
        precondition(!name.isEmpty && name != ".." && !name.contains("/") && !name.contains("\\"))
    }
    _ = DiskChain.printable(text)
    return 0
}
