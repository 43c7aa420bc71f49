// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One change of the files of an operation; made again it changes nothing more.
enum DiskStep: Hashable, Sendable {
    /// Puts bytes in their place.
    case write(file: [String], offset: UInt64, bytes: [UInt8])
    /// Makes bytes of a file zeros.
    case zeros(file: [String], Range<UInt64>)
    /// Makes a file longer by what the range adds, with its space reserved.
    case space(file: [String], Range<UInt64>)
    /// Gives a file its length.
    case length(file: [String], UInt64)
    /// Gives a file its time of change, in seconds since 1970.
    case modificationTime(file: [String], Int64)
    /// Gives a file another one's name.
    case rename(from: [String], to: [String])
    /// Removes a file.
    case remove(file: [String])

    /// The file whose bytes it changes.
    var written: [String]? {
        switch self {
        case .write(let file, _, _), .zeros(let file, _), .space(let file, _), .length(let file, _),
            .modificationTime(let file, _):
            file
        case .rename, .remove: nil
        }
    }

    /// The name that is gone once it is done.
    var vacated: [String]? {
        switch self {
        case .rename(let from, _): from
        case .remove(let file): file
        case .write, .zeros, .space, .length, .modificationTime: nil
        }
    }

    /// The bytes that it puts into a journal, and then perhaps at the end of its file.
    var count: UInt64 {
        if case .write(_, _, let bytes) = self { UInt64(bytes.count) } else { 0 }
    }
}
