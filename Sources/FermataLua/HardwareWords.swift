// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// The words that describe a machine: what each is called with, as a part of its definition.
enum HardwareWords {
    /// Reads `kernel { "path", initrd = ..., arguments = ... }`.
    static func kernel(_ call: LuaCall) throws -> MachineDefinition.Boot {
        var given = try WordCall(call, takesValue: true)
        let path = try given.value.text("the kernel's path")
        let initrd = try given.options.take("initrd")?.text("the initrd's path")
        let arguments = try given.options.take("arguments")?.text("the kernel's command line")
        try given.options.finish()
        return MachineDefinition.Boot(kernel: path, initrd: initrd, arguments: arguments)
    }

    /// Reads `disk { "name", size = ... }`, and what else takes the same.
    static func disk(_ call: LuaCall, spelled word: String = "disk") throws -> MachineDefinition.Disk {
        var given = try WordCall(call, takesValue: true)
        let name = try given.value.text("the disk's name")
        let format: MachineDefinition.Disk.Format = try given.options.take("format")?.word() ?? .vhd
        guard let size = given.options.take("size") else {
            try given.options.finish()
            throw WordError(
                "disk '\(name.shortened(to: 100))' has no size: write \(word) { \"name\", size = \"64M\" }")
        }
        let disk = MachineDefinition.Disk(name: name, size: try size.size(), format: format)
        try given.options.finish()
        return disk
    }

    /// The fields of `machine "name" { ... }`.
    static let fields: [String] = ["memory", "processors", "boot", "disks", "network", "clock"]

    /// Reads the fields of `machine "name" { ... }`.
    static func machine(
        _ name: MachineName, at location: SourceLocation?, _ value: LuaValue
    ) throws -> MachineDefinition {
        let owner = "machine '\(name.description.shortened(to: 100))'"
        guard let table = value.tableValue else {
            throw Given(value: value, place: owner).wrong("a table of fields such as { memory = \"256M\" }")
        }
        var fields = try Fields(table, noun: "field", of: owner)
        guard fields.list.isEmpty else {
            throw WordError("\(owner): expected named fields such as memory = \"256M\", got a list")
        }
        var definition = MachineDefinition(name: name, at: location)
        if let memory = fields.take("memory") { definition.memory = try memory.size() }
        if let processors = fields.take("processors") {
            definition.processors = try processors.integer("a whole number such as 2")
        }
        if let boot = fields.take("boot") {
            guard let kernel = boot.value.object(as: Described<MachineDefinition.Boot>.self) else {
                throw boot.wrong("kernel { \"path\", initrd = \"path\" }")
            }
            definition.boot = kernel.value
        }
        if let disks = fields.take("disks") { definition.disks = try self.disks(disks) }
        if let network = fields.take("network") { definition.hasNetwork = try network.boolean() }
        if let clock = fields.take("clock") { definition.clock = try clock.word() }
        try fields.finish()
        return definition
    }

    private static func disks(_ given: Given) throws -> [MachineDefinition.Disk] {
        guard let table = given.value.tableValue else {
            throw given.wrong("a list such as { disk { \"system\", size = \"64M\" } }")
        }
        return try Given.list(of: table, place: given.place).map { element in
            guard let disk = element.value.object(as: Described<MachineDefinition.Disk>.self) else {
                throw element.wrong("disk { \"system\", size = \"64M\" }")
            }
            return disk.value
        }
    }
}

/// A part of a machine's definition as scripts hold it.
final class Described<Value> {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
