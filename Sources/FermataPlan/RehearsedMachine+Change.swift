// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Hardware that changes between the steps of a run.
extension RehearsedMachine {
    /// Changes the hardware as the step does; notes what no machine can be.
    mutating func change(_ change: Action.Change, at place: Place, _ findings: inout Findings) {
        let check = HardwareCheck(machine: name, place: place)
        if let memory = change.memory {
            check.check(memory: memory, &findings)
            hardware?.memory = memory
        }
        if let processors = change.processors {
            check.check(processors: processors, &findings)
            hardware?.processors = processors
        }
        guard let arguments = change.arguments else { return }
        check.check(arguments: arguments, &findings)
        if start.definition.boot == nil {
            findings.error(
                .invalidValue, place,
                "machine \(name.quoted) starts from its first disk, without a kernel that takes arguments",
                suggestion: "give it a kernel where it is defined")
        }
        hardware?.boot?.arguments = arguments
    }

    /// Adds a disk as the step does; notes what no disk can be, and a name or a place that is taken.
    mutating func attach(_ disk: MachineDefinition.Disk, at place: Place, _ findings: inout Findings) {
        let check = HardwareCheck(machine: name, place: place)
        check.check(nameOf: disk, &findings)
        check.check(sizeOf: disk, &findings)
        guard let disks = hardware?.disks else { return }
        guard !disks.contains(where: { $0.name == disk.name }) else {
            findings.error(
                .duplicateName, place, "machine \(name.quoted) has a disk \(disk.name.quoted) already",
                suggestion: "choose another name, or detach it first")
            return
        }
        guard disks.count < MachineDefinition.mostDisks else {
            findings.error(
                .invalidValue, place,
                "machine \(name.quoted) has \(disks.count) disks, and has no room for disk \(disk.name.quoted)",
                suggestion: "detach one first")
            return
        }
        hardware?.disks.append(disk)
    }

    /// Takes a disk away as the step does; notes that there is none of that name.
    mutating func detach(_ disk: String, at place: Place, _ findings: inout Findings) {
        guard let disks = hardware?.disks else { return }
        guard let index = disks.firstIndex(where: { $0.name == disk }) else {
            findings.error(
                .unknownDisk, place, "machine \(name.quoted) has no disk \(disk.quoted)",
                suggestion: meant(disk, among: disks.map(\.name)))
            return
        }
        hardware?.disks.remove(at: index)
    }
}
