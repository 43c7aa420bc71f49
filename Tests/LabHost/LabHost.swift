// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Glibc
import QEMUDriver
import SystemPackage

/// A host of one machine that does what its arguments say, and tells of each before and after.
///
/// It is there to be killed: unlike a run of a recipe it goes on from a checkpoint that an earlier host left.
/// ```
/// lab-host LAB MACHINE OPERATION...
///   create=GUEST        makes the lab and the machine, from the guest's folder
///   create-vhdx=GUEST   the same with a VHDX as its disk
///   recreate=GUEST      puts another machine in the machine's place
///   open                does nothing but take hold of the machine
///   start  off  revert  pause  resume  save
///   restart             starts a saved machine
///   await=STATE         waits until the machine is in that state
///   refused=OPERATION   must fail
///   shell=LINE  tick=N  checkpoint=NAME  replace=NAME  apply=NAME  delete=NAME
///   subtree=NAME        deletes the checkpoint with all that grew from it
///   rename=NAME=NEW     gives the checkpoint another name
///   fork=NAME=NEW       makes a machine that begins at the checkpoint
///   promote
///   rate=BYTES          lets merges of disks copy no more than that in a second
///   merge  stop-merge   waits for them without a limit, ends them
///   merge=BYTES         begins them, to copy no more than that in a second
///
/// begin NUMBER OPERATION
/// end NUMBER RESULT         of `tick` the newest tick, of `refused` the state, of all others now's first disk
/// failed NUMBER MESSAGE     the next operation follows all the same
/// ```
@main struct LabHost {
    private static let tick = "tick [0-9]+ mono [^\n]* bad [0-9]+"

    private let folder: LabFolder
    private let name: MachineName
    private var machine: MachineHost?

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count > 2 else { exit(2) }
        var host = LabHost(
            folder: LabFolder(FilePath(arguments[1])), name: MachineName(arguments[2]), machine: nil)
        var isWhole = true
        for (number, operation) in arguments.dropFirst(2).enumerated() {
            say("begin \(number) \(operation)")
            do {
                say("end \(number) \(try await host.perform(operation))")
            } catch {
                say("failed \(number) \(error)")
                isWhole = false
            }
        }
        try? await host.machine?.turnOff()
        exit(isWhole ? 0 : 1)
    }

    /// Lines must be out before the process is killed.
    private static func say(_ line: String) {
        _ = try? FileDescriptor.standardOutput.writeAll(Array((line + "\n").utf8))
    }

    private mutating func perform(_ operation: String) async throws -> String {
        let parts = operation.split(separator: "=", maxSplits: 1).map(String.init)
        let value = parts.count > 1 ? parts[1] : ""
        switch parts[0] {
        case "create": try create(guest: FilePath(value))
        case "create-vhdx": try create(guest: FilePath(value), format: .vhdx)
        case "recreate": try create(guest: FilePath(value), again: true)
        default: break
        }
        let host = try held()
        switch parts[0] {
        case "create", "create-vhdx", "recreate", "open": break
        case "start":
            try await host.start()
            _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        case "off": try await host.turnOff()
        case "pause": try await host.pause()
        case "resume": try await host.resume()
        case "save": try await host.save()
        case "restart": try await host.start()
        case "shell":
            let result = try await host.run(.shell(value), within: .minutes(2))
            guard result.exitCode == 0 else { throw Failure(description: "exit code \(result.exitCode): \(value)") }
        case "tick":
            var text = ""
            for _ in 0..<(Int(value) ?? 1) {
                text = try await host.waitForConsole(.pattern(Self.tick), within: .minutes(2))
            }
            return text
        case "checkpoint", "replace":
            _ = try await host.checkpoint(
                CheckpointRequest(name: CheckpointName(value), replaces: parts[0] == "replace"))
        case "apply": _ = try await host.apply(host.files.checkpoint(value).id)
        case "revert": _ = try await host.revert()
        case "delete": try await host.delete([host.files.checkpoint(value).id])
        case "subtree":
            let tree = await host.files.tree
            let top = try await host.files.checkpoint(value).id
            try await host.delete([top] + tree.descendants(of: top).map(\.id))
        case "untrash":
            let entry = try MachineTrash(of: await host.files).entry(value, of: name)
            try await host.restoreFromTrash(entry.id, as: nil)
        case "collect": _ = try await host.emptyTrash(olderThan: nil, keeping: nil)
        case "rename":
            let names = value.split(separator: "=", maxSplits: 1).map(String.init)
            guard let old = names.first, let new = names.last else { throw Failure(description: "no names") }
            try await host.change(host.files.checkpoint(old).id, name: CheckpointName(new), notes: nil)
        case "rate": await host.change(HostSettings(mergeRate: UInt64(value)))
        case "merge" where value.isEmpty: _ = try await host.mergeDisks(rate: 0)
        case "merge":
            let rate = UInt64(value)
            Task { try await host.mergeDisks(rate: rate) }
        case "stop-merge": await host.stopMergingDisks()
        case "fork":
            let names = value.split(separator: "=", maxSplits: 1).map(String.init)
            guard let checkpoint = names.first, let new = names.last else { throw Failure(description: "no names") }
            _ = try await host.fork(host.files.checkpoint(checkpoint).id, as: MachineName(new))
        case "promote": try await host.promote()
        case "await":
            let events = host.events()
            if await host.state.rawValue == value { break }
            for await event in events {
                if case .state(let state, _) = event.kind, state.rawValue == value { break }
            }
        case "refused":
            do {
                _ = try await perform(value)
            } catch {
                return await host.state.rawValue
            }
            throw Failure(description: "\(value) was not refused")
        default: throw Failure(description: "unknown operation")
        }
        return await host.files.now.disks.first?.path ?? ""
    }

    private func create(
        guest: FilePath, format: MachineDefinition.Disk.Format = .vhd, again isAgain: Bool = false
    ) throws {
        let definition = MachineDefinition(
            name: name, memory: .mebibytes(192), processors: 1,
            boot: .init(
                kernel: "vmlinuz", initrd: "initrd.gz",
                arguments: "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable no_timer_check"),
            disks: [.init(name: "system", size: .mebibytes(64), format: format)])
        let lab = try LabFolder.create(folder.path)
        _ = try lab.createMachine(
            definition, replacing: isAgain ? lab.machine(name).identity() : nil, file: { guest.appending($0) })
    }

    private mutating func held() throws -> MachineHost {
        if let machine { return machine }
        let host = try MachineHost(of: LabFolder.open(folder.path).machine(name), hypervisor: QEMUDriver())
        machine = host
        return host
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}
