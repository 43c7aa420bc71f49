// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

/// Why a request failed, in the protocol's numbers.
enum ErrorNumber: UInt32, Error {
    case notPermitted = 1
    case io = 5
    case noMemory = 12
    case invalid = 22
    case noSpace = 28
    case overflow = 75
    case notSupported = 95
    case shutdown = 108

    /// What the client is told of a device's failure.
    ///
    /// A write beyond the end is a disk without space; anything else out of range is a wrong request.
    init(_ error: StorageError, writing: Bool) {
        self =
            switch error.code {
            case .noSpace: .noSpace
            case .readOnly: .notPermitted
            case .outOfRange: writing ? .noSpace : .invalid
            default: .io
            }
    }
}
