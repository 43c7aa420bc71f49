// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Logging
import SystemPackage

/// What crashes leave in a lab outside of its machines' folders.
///
/// ```
///   .<Name>.<GUID>.new              a machine that never was, or one that gave way     removed
///   .trash/<Name>.<GUID>.removed    a machine that cannot come back                    removed
///   .store.json.new, Boot/.*.new, Lab Checkpoints/.*.new    an unfinished file         removed
///   .journal/<ID>.restore           no machine has anything to finish of it            removed
///   Lab Checkpoints/<ID>.xml        no machine has its checkpoint any more             removed
///   .cache/<CPGUID>.flat…, .<VMGUID>.console…   of a machine that is removed           removed with it
/// ```
extension LabFolder {
    /// Removes what an operation that was cut off left; a lab that somebody else is changing is left to them.
    public func removeLeftovers() throws(EngineError) {
        let lock: FolderLock
        do throws(EngineError) {
            lock = try FolderLock(path, of: "the lab \(path)")
        } catch {
            if error.code == .busy { return }
            throw error
        }
        defer { withExtendedLifetime(lock) {} }
        try removeLeftoversWithLock()
    }

    /// The same for who has the lab's lock.
    func removeLeftoversWithLock() throws(EngineError) {
        for place in [path, boot, labCheckpoints] where FileSystem.exists(place) {
            for name in try FileSystem.entries(of: place) where name.hasPrefix(".") && name.hasSuffix(".new") {
                try discard(place.appending(name))
            }
        }
        try LabRestore.removeFinished(in: self)
        try removeEmptyLabCheckpoints()
        guard FileSystem.exists(trash) else { return }
        for name in try FileSystem.entries(of: trash) where name.hasSuffix(Self.removedSuffix) {
            try discard(trash.appending(name))
        }
    }

    /// Removes a machine's folder that has lost its name; what is left of it goes with the next writer.
    func discardNow(_ discarded: FilePath) {
        do throws(EngineError) {
            try discard(discarded)
        } catch {
            Logger(label: "fermata.engine").warning("leftovers stay: \(error)")
        }
    }

    /// Removes a file, or a machine's folder after what lies elsewhere and only this machine needed.
    private func discard(_ discarded: FilePath) throws(EngineError) {
        try removeRemakable(discarded)
        for id in try identities(in: discarded.appending("Virtual Machines")) {
            try FileSystem.remove(deletion(of: id))
            try FileSystem.removeAll(trash(of: id))
        }
        try FileSystem.removeAll(discarded)
    }

    /// Removes the images and logs of a machine's folder that has lost its name.
    func removeRemakable(_ discarded: FilePath) throws(EngineError) {
        for id in try identities(in: discarded.appending("Snapshots")) { try FlatImage.remove(of: id, in: self) }
        for id in try identities(in: discarded.appending("Virtual Machines")) {
            try FlatImage.remove(of: id, in: self)
            try Console.removeLogs(of: id, in: self)
        }
    }

    /// The ids that name configuration files of a folder, which need not be there.
    private func identities(in folder: FilePath) throws(EngineError) -> [GUID] {
        guard FileSystem.exists(folder) else { return [] }
        return try FileSystem.entries(of: folder).filter { $0.hasSuffix(".xml") }.compactMap { GUID($0.dropLast(4)) }
    }
}
