// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Looks for mistakes in a recipe's name and its machines' definitions.
struct DefinitionCheck {
    let recipe: Recipe
    let inventory: Inventory

    func check(_ findings: inout Findings) {
        if let problem = CheckpointName(recipe.name).problem {
            findings.error(.invalidName, Place(), "the recipe's name \(recipe.name.quoted) \(problem)")
        }
        var first: [MachineName: MachineDefinition] = [:]
        for machine in recipe.machines {
            if let other = first[machine.name] {
                findings.error(
                    .duplicateName, Place(at: machine.at),
                    "two machines are named \(machine.name.quoted)" + (other.at.map { ", the first at \($0)" } ?? ""),
                    suggestion: "give each its own name")
            } else {
                first[machine.name] = machine
            }
            check(machine, &findings)
        }
    }

    private func check(_ machine: MachineDefinition, _ findings: inout Findings) {
        let place = Place(at: machine.at)
        if let problem = machine.name.problem {
            findings.error(.invalidName, place, "machine name \(machine.name.quoted) \(problem)")
        }
        let hardware = HardwareCheck(machine: machine.name, place: place)
        hardware.check(memory: machine.memory, &findings)
        hardware.check(processors: machine.processors, &findings)
        checkBoot(of: machine, &findings)
        checkDisks(of: machine, &findings)
    }

    private func checkBoot(of machine: MachineDefinition, _ findings: inout Findings) {
        guard let boot = machine.boot else {
            if machine.disks.isEmpty {
                findings.warning(
                    .nothingToBoot, Place(at: machine.at),
                    "machine \(machine.name.quoted) has neither boot files nor disks, so it has nothing to start from")
            }
            return
        }
        check(file: boot.kernel, "kernel", of: machine, &findings)
        if let initrd = boot.initrd { check(file: initrd, "initrd", of: machine, &findings) }
        if let arguments = boot.arguments {
            HardwareCheck(machine: machine.name, place: Place(at: machine.at)).check(arguments: arguments, &findings)
        }
    }

    private func check(file path: String, _ role: String, of machine: MachineDefinition, _ findings: inout Findings) {
        let place = Place(at: machine.at)
        let subject = "\(role) \(path.quoted) of machine \(machine.name.quoted)"
        if path.isEmpty {
            findings.error(.invalidText, place, "the \(role)'s path of machine \(machine.name.quoted) is empty")
            return
        }
        switch inventory.files[path] ?? .missing {
        case .file: return
        case .missing:
            findings.error(
                .missingFile, place, "\(subject) does not exist",
                suggestion: path.hasPrefix("/") ? nil : "paths are relative to the recipe's folder")
        case .notAFile: findings.error(.missingFile, place, "\(subject) is not a file")
        case .unreadable(let reason): findings.error(.missingFile, place, "\(subject) cannot be read: \(reason)")
        }
    }

    private func checkDisks(of machine: MachineDefinition, _ findings: inout Findings) {
        let place = Place(at: machine.at)
        if machine.disks.count > MachineDefinition.mostDisks {
            findings.error(
                .invalidValue, place, "machine \(machine.name.quoted) has \(machine.disks.count) disks",
                suggestion: "give it at most \(MachineDefinition.mostDisks)")
        }
        let hardware = HardwareCheck(machine: machine.name, place: place)
        var names: Set<String> = []
        for disk in machine.disks {
            hardware.check(nameOf: disk, &findings)
            if !names.insert(disk.name).inserted {
                findings.error(
                    .duplicateName, place, "two disks of machine \(machine.name.quoted) are named \(disk.name.quoted)",
                    suggestion: "give each its own name")
            }
            hardware.check(sizeOf: disk, &findings)
        }
    }
}
