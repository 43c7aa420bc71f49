// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataEngine
import QEMUDriver
import SystemPackage
import VirtualDisk

/// Who else needs a disk: children that read through it, checkpoints that hold it, a machine that writes to it.
struct DiskUse {
    private let location: DiskLocation
    private let format: DiskFormat
    private var checkpoint: String?
    private var machine: MachineFolder?

    /// Looks through the lab in which the disk lies; changes nothing.
    init(of location: DiskLocation, _ format: DiskFormat) throws {
        self.location = location
        self.format = format
        guard let folder = try location.machine, let name = location.path.lastComponent?.string else { return }
        machine = folder
        for configuration in try MachineRecord(reading: folder).checkpoints.values
        where configuration.disks.contains(where: { $0.path.lastName == name }) {
            checkpoint = configuration.name
        }
    }

    /// Makes sure that nobody else reads or writes the disk while it is written.
    ///
    /// - Returns: what keeps the disk's machine from being started.
    func claimForWriting() throws -> MachineHost? {
        let advice = "serve it with --read-only, or make a child of it"
        if let checkpoint {
            throw ProgramFailure("'\(location.path)' is held by checkpoint '\(checkpoint)'; \(advice)")
        }
        let host = try machine.map { try MachineHost(of: $0, hypervisor: QEMUDriver()) }
        let children = try DiskFamily.children(of: location.path, beneath: location.root, format: format)
        if let child = children.first {
            throw ProgramFailure("'\(location.path)' is the parent of '\(child)'; \(advice)")
        }
        return host
    }

    /// Makes sure that no machine writes to the disk while its file is made anew, reading as before.
    ///
    /// - Returns: what keeps the disk's machine from being started.
    func claimForReplacing() throws -> MachineHost? {
        try machine.map { try MachineHost(of: $0, hypervisor: QEMUDriver()) }
    }

    /// Makes sure that no machine writes to the disk now.
    func checkIsStill() throws(ProgramFailure) {
        guard let machine, checkpoint == nil, machine.isInUse else { return }
        throw ProgramFailure(
            "machine '\(machine.name)' is in use, and '\(location.path)' may change while it is read; turn it off first"
        )
    }
}

extension String {
    /// The last name of a path in either notation.
    fileprivate var lastName: String {
        split { $0 == "/" || $0 == "\\" }.last.map(String.init) ?? self
    }
}
