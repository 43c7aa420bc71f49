// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataTestSupport
import Glibc
import QEMUDriver
import SystemPackage

/// A host of one machine that does what its arguments say, and tells of each before and after.
///
/// It is there to be killed: unlike a run of a recipe it goes on from a checkpoint that an earlier host left. Its calls
/// that change files can be counted, and made to fail; see `CFileFaults.h`.
/// ```
/// lab-host LAB MACHINE OPERATION...
///   create=GUEST        makes the lab and the machine, from the guest's folder
///   create-vhdx=GUEST   the same with a VHDX as its disk
///   recreate=GUEST      puts another machine in the machine's place
///   simulated           from now on machines are the simulated hypervisor's
///   strict              from now on, nothing but `agree` follows what has failed
///   open                does nothing but take hold of the machine
///   agree               fails unless the files say what the host holds for true
///   start  off  revert  pause  resume  save
///   restart             starts a saved machine
///   await=STATE         waits until the machine is in that state
///   refused=OPERATION   must fail
///   shell=LINE  tick=N  checkpoint=NAME  disk-only=NAME  replace=NAME  apply=NAME  delete=NAME
///   subtree=NAME        deletes the checkpoint with all that grew from it
///   children=NAME       deletes all that grew from the checkpoint
///   rename=NAME=NEW     gives the checkpoint another name
///   memory=SIZE  attach=DISK  attach-vhdx=DISK  detach=DISK
///   export=NAME=FOLDER  export-flat=NAME=FOLDER
///   fork=NAME=NEW       makes a machine that begins at the checkpoint
///   promote
///   rate=BYTES          lets merges of disks copy no more than that in a second
///   merge  stop-merge   waits for them without a limit, ends them
///   merge=BYTES         begins them, to copy no more than that in a second
///   make-machine  remake-machine  delete-machine  rename-machine=NEW  import=FOLDER  clean
///                       what is done to a machine as a whole, or to the lab; nobody holds the machine then
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
    private var isStrict = false
    private var hypervisor: any Hypervisor = QEMUDriver()

    private init(folder: LabFolder, name: MachineName) {
        self.folder = folder
        self.name = name
    }

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count > 2 else { exit(2) }
        var host = LabHost(folder: LabFolder(FilePath(arguments[1])), name: MachineName(arguments[2]))
        var isWhole = true
        for (number, operation) in arguments.dropFirst(2).enumerated() {
            if !isWhole, host.isStrict, operation != "agree" { continue }
            say("begin \(number) \(operation)")
            do {
                say("end \(number) \(try await host.perform(operation))")
            } catch {
                say("failed \(number) \(error)")
                isWhole = false
            }
        }
        await host.machine?.close()
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
        case "strict":
            isStrict = true
            return ""
        case "simulated":
            hypervisor = SimulatedHypervisor()
            return ""
        case "make-machine", "remake-machine", "delete-machine", "rename-machine", "import", "clean":
            try changeLab(parts[0], value)
            return ""
        default: break
        }
        let host = try held()
        switch parts[0] {
        case "create", "create-vhdx", "recreate", "open": break
        case "agree":
            let (held, found) = (await host.files, try MachineRecord(reading: host.folder))
            guard held.now == found.now, held.checkpoints == found.checkpoints else {
                throw Failure(description: "the host holds something else for true than the files say")
            }
        case "start":
            try await host.start()
            if hypervisor is SimulatedHypervisor { break }
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
        case "disk-only":
            _ = try await host.checkpoint(CheckpointRequest(name: CheckpointName(value), kind: .diskOnly))
        case "apply": _ = try await host.apply(host.files.checkpoint(value).id)
        case "revert": _ = try await host.revert()
        case "delete": try await host.delete([host.files.checkpoint(value).id])
        case "subtree", "children":
            let tree = await host.files.tree
            let top = try await host.files.checkpoint(value).id
            let below = tree.descendants(of: top).map(\.id)
            try await host.delete(parts[0] == "subtree" ? [top] + below : below)
        case "untrash":
            let entry = try MachineTrash(of: await host.files).entry(value, of: name)
            try await host.restoreFromTrash(entry.id, as: nil)
        case "collect": _ = try await host.emptyTrash(olderThan: nil, keeping: nil)
        case "rename":
            let (old, new) = try pair(value)
            try await host.change(host.files.checkpoint(old).id, name: CheckpointName(new), notes: nil)
        case "memory": try await host.change(HardwareChange(memory: UInt64(value).map { ByteSize(bytes: $0) }))
        case "attach", "attach-vhdx":
            let content = HardwareChange.NewDisk.Content.empty(.mebibytes(1), parts[0] == "attach" ? .vhd : .vhdx)
            try await host.change(HardwareChange(attach: [.init(name: value, content: content)]))
        case "detach": try await host.change(HardwareChange(detach: [value], discardsDetached: true))
        case "export", "export-flat":
            let (checkpoint, place) = try pair(value)
            let (id, hasMemory) = try await { ($0.id, $0.hasMemory) }(host.files.checkpoint(checkpoint))
            try await host.export(
                id, to: FilePath(place), flattened: parts[0] == "export-flat", withMemory: hasMemory)
        case "rate": await host.change(HostSettings(mergeRate: UInt64(value)))
        case "merge" where value.isEmpty: _ = try await host.mergeDisks(rate: 0)
        case "merge":
            let rate = UInt64(value)
            Task { try await host.mergeDisks(rate: rate) }
        case "stop-merge": await host.stopMergingDisks()
        case "fork":
            let (checkpoint, new) = try pair(value)
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

    /// The two words of `ONE=OTHER`.
    private func pair(_ value: String) throws -> (String, String) {
        let words = value.split(separator: "=", maxSplits: 1).map(String.init)
        guard let one = words.first, let other = words.last, words.count == 2 else {
            throw Failure(description: "expected two words, found '\(value)'")
        }
        return (one, other)
    }

    private func changeLab(_ operation: String, _ value: String) throws {
        let lab = try LabFolder.create(folder.path)
        switch operation {
        case "make-machine", "remake-machine":
            let definition = MachineDefinition(
                name: name, memory: .mebibytes(1), boot: .init(kernel: "store.json"),
                disks: [
                    .init(name: "system", size: .mebibytes(1)),
                    .init(name: "data", size: .mebibytes(1), format: .vhdx),
                ])
            let old = operation == "remake-machine" ? try lab.machine(name).identity() : nil
            _ = try lab.createMachine(definition, replacing: old, file: { lab.path.appending($0) })
        case "delete-machine": try lab.deleteMachine(name)
        case "rename-machine": try lab.renameMachine(name, to: MachineName(value))
        case "import": _ = try lab.importMachine(from: FilePath(value), as: name)
        default: try lab.removeLeftovers()
        }
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
        let host = try MachineHost(of: LabFolder.open(folder.path).machine(name), hypervisor: hypervisor)
        machine = host
        return host
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}
