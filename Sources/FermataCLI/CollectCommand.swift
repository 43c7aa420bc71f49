// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import Foundation

/// `fermata gc`.
struct CollectCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "gc", abstract: "Take out of the trash what was discarded: it cannot come back then.",
        discussion: """
            Unless --older-than or --keep says which, everything goes; with both, what either takes. Sizes hold for each \
            machine, and for the deleted machines together. Disks that nothing needs then are removed or merged, beside \
            a running machine, too.
            """)

    @Argument(help: "Only what was discarded of this machine, or the deleted machine of that name.")
    var name: String?

    @Flag(help: "Only tell what would go.")
    var dryRun: Bool = false

    @Option(help: ArgumentHelp("Take what was discarded longer ago than this, such as 1h.", valueName: "age"))
    var olderThan: String?

    @Option(help: ArgumentHelp("Take the oldest until no more than this is left, such as 500M.", valueName: "size"))
    var keep: String?

    @Option(
        help: ArgumentHelp(
            "Change what the lab's trash may hold from now on, such as 24h,4G; off for no trash.", valueName: "age,size"
        ))
    var set: String?

    @OptionGroup var reading: LabReading

    mutating func validate() throws {
        guard set != nil, name != nil || dryRun || olderThan != nil || keep != nil else { return }
        throw ValidationError("--set stands alone")
    }

    func run() async throws {
        let lab = try reading.lab()
        if let set { return try change(lab, to: set) }
        let age = try parsed(olderThan, "--older-than") { Int(clamping: try TimeSpan(parsing: $0).milliseconds / 1000) }
        let bytes = try parsed(keep, "--keep") { try ByteSize(parsing: $0).bytes }
        let items = try chosen(in: lab, age, bytes)
        var outcome = TrashOutcome(count: items.count, bytes: items.reduce(0) { $0 + $1.bytes })
        if !dryRun { outcome = try await collect(in: lab, age, bytes) }
        let text = outcome.count == 1 ? "1 thing" : "\(outcome.count) things"
        let size = ByteSize(bytes: outcome.bytes)
        try reading.print(
            "fermata-trash-emptied",
            [
                "count": .integer(outcome.count), "bytes": .integer(Int(clamping: outcome.bytes)),
                "dryRun": .bool(dryRun),
            ].merging(dryRun ? ["entries": .array(items.map(\.json))] : [:]) { $1 },
            text: dryRun
                ? ([table(items.map(\.row))].filter { !$0.isEmpty } + ["\(text) would go: \(size)"])
                    .joined(separator: "\n")
                : "\(text) went, and \(size) came free")
    }

    private func change(_ lab: LabFolder, to text: String) throws {
        let budget = text == "off" ? nil : try parsed(text, "--set") { try TrashBudget(parsing: $0) }
        try lab.setTrashBudget(budget)
        try reading.printOnlyJSON(
            "fermata-trash-budget",
            budget.map { ["age": .integer($0.age * 1000), "bytes": .integer(Int(clamping: $0.bytes))] } ?? [:])
    }

    private func parsed<Value>(_ text: String?, _ option: String, _ parse: (String) throws -> Value) throws -> Value? {
        guard let text else { return nil }
        do { return try parse(text) } catch {
            throw ProgramFailure("\(option): \(error)", exitCode: ProgramFailure.wrongUse)
        }
    }

    /// What goes.
    private func chosen(in lab: LabFolder, _ age: Int?, _ bytes: UInt64?) throws -> [TrashItem] {
        let all = try TrashItem.all(in: lab, of: name, reading)
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        var ids = Set(
            try lab.excessMachines(named: name.map { MachineName($0) }, olderThan: age, keeping: bytes).map(\.id))
        for folder in try machines(of: lab) {
            guard let record = try? MachineRecord(reading: folder), let trash = try? MachineTrash(of: record) else {
                continue
            }
            ids.formUnion(trash.excess(age: age, bytes: bytes, now: now).map(\.id))
        }
        return all.filter { ids.contains($0.id) }
    }

    private func machines(of lab: LabFolder) throws -> [MachineFolder] {
        try lab.machines().filter { name == nil || $0.name.description == name }
    }

    private func collect(in lab: LabFolder, _ age: Int?, _ bytes: UInt64?) async throws -> TrashOutcome {
        // Forks that are deleted may be all that needs a machine's disks.
        var outcome = try lab.removeTrashedMachines(
            named: name.map { MachineName($0) }, olderThan: age, keeping: bytes)
        if name == nil { outcome.bytes += try lab.removeOrphanedTrash() }
        for folder in try machines(of: lab) {
            guard let record = try? MachineRecord(reading: folder), let trash = try? MachineTrash(of: record),
                !trash.entries.isEmpty || !trash.unreadable.isEmpty
            else { continue }
            let more = try await lab.reachable.using(folder.name) { machine in
                try await machine.control.emptyTrash(olderThan: age, keeping: bytes)
            }
            outcome = TrashOutcome(count: outcome.count + more.count, bytes: outcome.bytes + more.bytes)
        }
        return outcome
    }
}
