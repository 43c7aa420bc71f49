// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One change of the files of an operation; made again it changes nothing more.
enum DiskStep: Hashable, Sendable {
    /// Puts bytes in their place.
    case write(file: [String], offset: UInt64, bytes: [UInt8])
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
        case .write(let file, _, _), .length(let file, _), .modificationTime(let file, _): file
        case .rename, .remove: nil
        }
    }

    /// The name that is gone once it is done.
    var vacated: [String]? {
        switch self {
        case .rename(let from, _): from
        case .remove(let file): file
        case .write, .length, .modificationTime: nil
        }
    }
}
