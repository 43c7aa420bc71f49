// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import Foundation

/// `fermata trash list`.
struct TrashListCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "list", abstract: "List what is in the trash, with what it takes on disk, oldest first.")

    @Argument(help: "Only what was discarded of this machine, or the deleted machine of that name.")
    var name: String?

    @OptionGroup var reading: LabReading

    func run() async throws {
        let items = try TrashItem.all(in: try reading.lab(), of: name, reading)
        try reading.print(
            "fermata-trash", ["entries": .array(items.map(\.json))],
            text: table(items.map(\.row)))
    }
}

/// Something in the trash, as it is printed.
struct TrashItem {
    var machine: MachineName
    /// The checkpoint's identity, or the machine's.
    var id: GUID
    /// The checkpoint's name; nil for a machine.
    var checkpoint: CheckpointName?
    /// In milliseconds since 1970 UTC.
    var discarded: Int64
    var bytes: UInt64
    var hasMemory = false

    init(_ machine: DeletedMachine) {
        (self.machine, id, discarded, bytes) = (machine.name, machine.id, machine.discarded, machine.bytes)
    }

    init(_ entry: MachineTrash.Entry, of machine: MachineName) {
        (self.machine, id, checkpoint) = (machine, entry.id, entry.name)
        (discarded, bytes) = (entry.discarded, entry.bytes)
        hasMemory = entry.configuration.checkpoint?.hasMemory ?? false
    }

    /// Everything in the trash of a lab, the oldest first.
    ///
    /// - Parameter name: a machine, deleted or not; nil for all.
    /// - Throws: ``ProgramFailure`` with exit code 2 when there is no machine of that name anywhere.
    static func all(in lab: LabFolder, of name: String?, _ reading: LabReading) throws -> [TrashItem] {
        let deleted = try lab.trashedMachines().filter { name == nil || $0.name.description == name }
        var items = deleted.map { TrashItem($0) }
        let machines = try lab.machines().filter { name == nil || $0.name.description == name }
        if let name, machines.isEmpty, deleted.isEmpty { _ = try reading.machine(name) }
        for folder in machines {
            let trash: MachineTrash
            do throws(EngineError) { trash = try MachineTrash(of: MachineRecord(reading: folder)) } catch {
                // Of all machines, one that is damaged is the doctor's matter.
                guard name == nil else { throw error }
                continue
            }
            items += trash.entries.map { TrashItem($0, of: folder.name) }
        }
        return items.sorted { ($0.discarded, $0.id) < ($1.discarded, $1.id) }
    }

    private var time: String {
        Date(timeIntervalSince1970: Double(discarded / 1000)).formatted(.iso8601)
    }

    /// The cells of a line.
    var row: [String] {
        [
            machine.description, checkpoint?.description ?? "(the machine)", time, ByteSize(bytes: bytes).description,
            hasMemory ? "memory" : "",
        ]
    }

    /// The item as a JSON object.
    var json: JSON {
        [
            "machine": .string(machine.description), "id": .string(id.description),
            "name": .string(checkpoint?.description ?? machine.description),
            "kind": checkpoint == nil ? "machine" : "checkpoint", "memory": .bool(hasMemory),
            "discarded": .string(time), "bytes": .integer(Int(clamping: bytes)),
        ]
    }
}
