// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Fermata
import FermataEngine
import FermataModel
import Foundation
import SystemPackage
import VirtualDisk

/// A disk's file, and the folder beneath which its parents are followed.
///
/// That folder is the lab that the file lies in; without one the current folder, if the file lies beneath it, and else
/// the file's own.
struct DiskLocation {
    /// The file's absolute path.
    let path: FilePath
    /// Where parents are followed.
    let root: FilePath
    /// The lab in which the file lies.
    let lab: LabFolder?

    /// Looks for a file that must exist.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when there is none.
    init(existing text: String) throws {
        do {
            try self.init(FilePath.absolute(text).resolved())
        } catch let error as StorageError {
            let reason = error.errno.map { ": \($0.sentence)" } ?? ""
            throw ProgramFailure("there is no disk '\(text)'\(reason)", exitCode: ProgramFailure.wrongUse)
        }
    }

    /// Takes the place of a file, whose folder must exist.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when there is no such folder.
    init(new text: String) throws {
        let path = FilePath.absolute(text)
        guard let name = path.lastComponent else {
            throw ProgramFailure("'\(text)' cannot be a file", exitCode: ProgramFailure.wrongUse)
        }
        let folder = try FilePath.folder(path.removingLastComponent().string)
        try self.init(folder.resolved().appending(name))
    }

    /// The machine in whose folder the file lies.
    var machine: MachineFolder? {
        get throws {
            guard let lab else { return nil }
            return try LabFolder.open(lab.path).machines().first { path.starts(with: $0.path) }
        }
    }

    private init(_ path: FilePath) throws {
        self.path = path
        var folder = path.removingLastComponent()
        while true {
            let candidate = LabFolder(folder)
            if FileManager.default.fileExists(atPath: candidate.storeFile.string) {
                lab = candidate
                root = folder
                return
            }
            guard folder.removeLastComponent() else { break }
        }
        lab = nil
        let current = try FilePath(FileManager.default.currentDirectoryPath).resolved()
        root = path.starts(with: current) && !current.components.isEmpty ? current : path.removingLastComponent()
    }
}

extension Errno {
    /// The description as the end of a sentence.
    var sentence: String {
        description.prefix(1).lowercased() + description.dropFirst()
    }
}
