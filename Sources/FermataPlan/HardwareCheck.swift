// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Looks for mistakes in single pieces of a machine's hardware, where it is defined or changed.
struct HardwareCheck {
    let machine: MachineName
    let place: Place

    func check(memory: ByteSize, _ findings: inout Findings) {
        check(memory, of: "memory of machine \(machine.quoted)", unit: .mebibytes(1), &findings)
        if memory > MachineDefinition.largestMemory {
            findings.error(
                .invalidValue, place, "memory of machine \(machine.quoted) is \(memory)",
                suggestion: "give it at most \(MachineDefinition.largestMemory)")
        }
    }

    func check(processors: Int, _ findings: inout Findings) {
        if !(1...MachineDefinition.mostProcessors).contains(processors) {
            findings.error(
                .invalidValue, place, "machine \(machine.quoted) has \(processors) processors",
                suggestion: "give it 1 to \(MachineDefinition.mostProcessors)")
        }
    }

    func check(arguments: String, _ findings: inout Findings) {
        if let character = arguments.unicodeScalars.first(where: { $0.isControl }) {
            findings.error(
                .invalidText, place,
                "the kernel arguments of machine \(machine.quoted) hold the control character \(character.code)",
                suggestion: "they are one line of text")
        }
    }

    func check(nameOf disk: MachineDefinition.Disk, _ findings: inout Findings) {
        if let problem = MachineDefinition.Disk.problem(ofName: disk.name) {
            findings.error(.invalidName, place, "the name of \(subject(disk)) \(problem)")
        }
    }

    func check(sizeOf disk: MachineDefinition.Disk, _ findings: inout Findings) {
        let subject = subject(disk)
        check(disk.size, of: "size of \(subject)", unit: ByteSize(bytes: 512), &findings)
        let largest = disk.format.largestDisk
        if disk.size > largest {
            findings.error(
                .invalidValue, place,
                "size of \(subject) is \(disk.size), and a \(disk.format.rawValue.uppercased()) "
                    + "holds at most \(largest)")
        }
    }

    private func subject(_ disk: MachineDefinition.Disk) -> String {
        "disk \(disk.name.quoted) of machine \(machine.quoted)"
    }

    private func check(_ size: ByteSize, of subject: String, unit: ByteSize, _ findings: inout Findings) {
        if size.bytes == 0 {
            findings.error(.invalidValue, place, "\(subject) is 0", suggestion: "give it at least \(unit)")
        } else if !size.bytes.isMultiple(of: unit.bytes) {
            findings.error(
                .invalidValue, place, "\(subject) is \(size)", suggestion: "it must be a multiple of \(unit)")
        }
    }
}
