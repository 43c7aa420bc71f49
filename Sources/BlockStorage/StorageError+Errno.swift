// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

extension StorageError {
    /// The error that the system's last refused call stands for.
    package static func system(
        _ name: String, _ detail: String, offset: UInt64? = nil, errno number: CInt = Glibc.errno
    ) -> StorageError {
        let reason = Errno(rawValue: number)
        let code: Code =
            switch reason {
            case .noSpace, .diskQuotaExceeded, .fileTooLarge: .noSpace
            case .readOnlyFileSystem: .readOnly
            default: .io
            }
        return StorageError(code, name: name, detail: detail, offset: offset, errno: reason)
    }

    /// Whether the file is simply not there.
    package var isMissingFile: Bool { errno == .noSuchFileOrDirectory }

    /// Refuses a range that does not lie inside the first `size` bytes.
    package static func check(
        offset: UInt64, count: Int, within size: UInt64, of name: @autoclosure () -> String
    ) throws(StorageError) {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(count))
        guard !overflow, end <= size else {
            throw StorageError(.outOfRange, name: name(), detail: "the request leaves the disk", offset: offset)
        }
    }

    /// Refuses a range that does not lie inside the first `size` bytes.
    package static func check(
        _ range: Range<UInt64>, within size: UInt64, of name: @autoclosure () -> String
    ) throws(StorageError) {
        guard range.upperBound <= size else {
            throw StorageError(
                .outOfRange, name: name(), detail: "the request leaves the disk", offset: range.lowerBound)
        }
    }
}
