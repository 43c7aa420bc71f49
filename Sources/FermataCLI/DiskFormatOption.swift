// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import SystemPackage
import VirtualDisk

/// How a disk is stored.
struct DiskFormatOption: ParsableArguments {
    /// The formats by their names.
    enum Name: String, CaseIterable, ExpressibleByArgument {
        case vhd
        case vhdx
        case raw

        var format: DiskFormat {
            switch self {
            case .vhd: .vhd
            case .vhdx: .vhdx
            case .raw: .raw
            }
        }
    }

    @Option(help: "The disk's format; unless said, the file's extension tells it.")
    var format: Name?

    /// The format of a file.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when its extension says nothing, or something else.
    func format(of path: FilePath) throws(ProgramFailure) -> DiskFormat {
        let told = DiskFormat(path: path)
        if let format, let told, format.format != told {
            throw ProgramFailure(
                "'\(path)' is \(told) by its extension, and \(format.rawValue) was asked for; name it otherwise",
                exitCode: ProgramFailure.wrongUse)
        }
        guard let format = format?.format ?? told else {
            throw ProgramFailure(
                "the extension of '\(path)' names no format; say --format vhd, vhdx or raw",
                exitCode: ProgramFailure.wrongUse)
        }
        return format
    }
}
