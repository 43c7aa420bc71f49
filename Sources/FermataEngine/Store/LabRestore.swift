// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// A restore of several machines, which happens to all of them at one moment.
///
/// ```
///  <Name>/Virtual Machines/.<VMGUID>.<ID>.now    what each machine is to be, durable
///  .journal/<ID>.restore                         appears: the commit; readers see each machine as it is to be
///  .<VMGUID>.<ID>.now ──rename──► <VMGUID>.xml   by each machine's host, by its next writer if need be
///  .journal/<ID>.restore                         goes, once none of these files is left
/// ```
struct LabRestore: Sendable {
    private static let head = "fermata-restore 1"
    static let fileExtension = ".restore"

    let id: GUID
    /// Where one machine meets the others.
    let meeting: Rendezvous

    /// Makes it happen.
    static func commit(_ id: GUID, of machines: [GUID], in lab: LabFolder) throws(EngineError) {
        try FileSystem.create(lab.journal)
        let lines = [head] + machines.map(\.description)
        try FileSystem.commit(
            Array((lines.joined(separator: "\n") + "\n").utf8), to: lab.restore(id), fault: .labRestoreCommit)
    }

    /// Removes the entries of which no machine has anything to finish; for who has the lab's lock.
    static func removeFinished(in lab: LabFolder) throws(EngineError) {
        guard FileSystem.exists(lab.journal) else { return }
        for name in try FileSystem.entries(of: lab.journal) {
            if name.hasPrefix("."), name.hasSuffix("\(fileExtension).new") {
                try FileSystem.remove(lab.journal.appending(name))
            }
            guard name.hasSuffix(fileExtension), let id = GUID(name.dropLast(fileExtension.count)) else { continue }
            var isNeeded = false
            for machine in try lab.machines() where try machine.restores().contains(id) { isNeeded = true }
            if !isNeeded { try FileSystem.remove(lab.journal.appending(name)) }
        }
    }
}

extension LabFolder {
    /// The entry of a restore of several machines.
    func restore(_ id: GUID) -> FilePath { journal.appending("\(id)\(LabRestore.fileExtension)") }
}

extension MachineFolder {
    private static let suffix = ".now"

    /// What a machine is to be by a restore of several.
    func restoredConfiguration(of machine: GUID, by restore: GUID) -> FilePath {
        virtualMachines.appending(".\(machine).\(restore)\(Self.suffix)")
    }

    /// The restores of several machines for which there is a file of this one.
    func restores() throws(EngineError) -> [GUID] {
        try FileSystem.entries(of: virtualMachines).compactMap { name in
            let parts = name.split(separator: ".")
            guard name.hasPrefix("."), name.hasSuffix(Self.suffix), parts.count == 3 else { return nil }
            return GUID(parts[1])
        }
    }

    /// The machine's configuration: its own file, or what it is by a restore that has happened and is to be finished.
    func now(of machine: GUID) throws(EngineError) -> Configuration {
        for id in try restores() where FileSystem.exists(lab.restore(id)) {
            // Its host may have put it in place since.
            if let now = try? Configuration(reading: restoredConfiguration(of: machine, by: id)) { return now }
        }
        return try Configuration(reading: configuration(of: machine))
    }

    /// Finishes or undoes the machine's part in restores that were cut off; for who has the machine's lock.
    func finishRestores(of machine: GUID) throws(EngineError) {
        for id in try restores() {
            let file = restoredConfiguration(of: machine, by: id)
            if FileSystem.exists(lab.restore(id)) {
                try FileSystem.move(file, to: configuration(of: machine))
                continue
            }
            // Who restores several machines has the lab's lock until it is decided.
            let lock = try FolderLock(lab.path, of: "the lab \(lab.path)")
            defer { withExtendedLifetime(lock) {} }
            if FileSystem.exists(lab.restore(id)) {
                try FileSystem.move(file, to: configuration(of: machine))
            } else {
                try FileSystem.remove(file)
            }
        }
    }
}
