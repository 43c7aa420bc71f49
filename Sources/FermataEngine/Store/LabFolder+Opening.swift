// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
public import SystemPackage

extension LabFolder {
    private struct StoreDescription: Codable {
        var format = "fermata-store"
        var version = LabFolder.formatVersion
        var trash: TrashBudget?
    }

    /// Opens an existing lab; changes nothing.
    ///
    /// - Throws: ``EngineError/Code/notALab`` when the folder is none, or belongs to a newer version.
    public static func open(_ path: FilePath) throws(EngineError) -> LabFolder {
        let lab = LabFolder(try canonical(path))
        guard try FileSystem.isThere(lab.storeFile) else {
            throw EngineError(
                .notALab, "\(path): expected a lab with a store.json, found none; `fermata run` makes one")
        }
        try lab.checkVersion()
        return lab
    }

    /// Opens a lab, and makes it when its folder is missing or empty.
    ///
    /// - Parameter trash: what the trash of a new lab may hold; nil for a lab without one.
    public static func create(_ path: FilePath, trash budget: TrashBudget? = nil) throws(EngineError) -> LabFolder {
        try FileSystem.create(path)
        let lab = LabFolder(try canonical(path))
        if FileSystem.exists(lab.storeFile) {
            try lab.checkVersion()
            return lab
        }
        if FileSystem.exists(path) {
            // Who was cut off here has made folders, and nothing in them.
            let made = [lab.boot, lab.labCheckpoints].filter { (try? FileSystem.entries(of: $0))?.isEmpty == true }
            let found = try FileSystem.entries(of: lab.path).filter { name in
                !name.hasPrefix(".") && !made.contains(lab.path.appending(name))
            }
            guard found.isEmpty else {
                throw EngineError(
                    .notALab,
                    "\(path): expected a lab or an empty folder, found other files; choose another folder "
                        + "with --store")
            }
        }
        for folder in [lab.boot, lab.labCheckpoints, lab.journal, lab.cache, lab.trash] {
            try FileSystem.create(folder)
        }
        try lab.describe(StoreDescription(trash: budget))
        return lab
    }

    private func describe(_ description: StoreDescription) throws(EngineError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let text = (try? encoder.encode(description)) ?? Data()
        try FileSystem.commit(Array(text) + [0x0A], to: storeFile)
    }

    /// What the trash may hold; nil when nothing goes there.
    public func trashBudget() throws(EngineError) -> TrashBudget? {
        try description().trash
    }

    /// Changes what the trash may hold from now on; what it holds stays until the next thing goes there.
    ///
    /// - Parameter budget: nil when nothing goes there any more.
    public func setTrashBudget(_ budget: TrashBudget?) throws(EngineError) {
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        var description = try description()
        description.trash = budget
        try describe(description)
    }

    /// The folder's one true path: files are compared by their paths, and a link to a lab is the same lab.
    private static func canonical(_ path: FilePath) throws(EngineError) -> FilePath {
        guard FileSystem.exists(path) else { return path }
        do {
            return try path.resolved()
        } catch {
            throw EngineError(.system, "\(error)", underlying: error)
        }
    }

    private func checkVersion() throws(EngineError) {
        _ = try description()
    }

    private func description() throws(EngineError) -> StoreDescription {
        let bytes = try FileSystem.read(storeFile, limit: 1 << 16)
        guard let description = try? JSONDecoder().decode(StoreDescription.self, from: Data(bytes)),
            description.format == "fermata-store"
        else { throw EngineError(.notALab, "\(storeFile): expected a store's description, found other text") }
        guard description.version == LabFolder.formatVersion else {
            throw EngineError(
                .notALab,
                "\(storeFile): version: expected \(LabFolder.formatVersion), found "
                    + "\(description.version); use the Fermata that wrote it")
        }
        return description
    }
}
