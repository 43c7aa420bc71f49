// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import Glibc
import NBD
import QMP
import SystemPackage

extension QEMUMachine {
    /// Starts a machine's process, its processors held.
    static func start(
        _ launch: Launch, _ program: FilePath, _ capabilities: Capabilities
    ) async throws(HypervisorError) -> QEMUMachine {
        try check(launch)
        let image = try open(launch.memoryImage, .readWrite, "memory image", launch)
        let length = try? image.length()
        guard length == launch.hardware.memory else {
            throw HypervisorError(
                .refused,
                "The memory image \(launch.memoryImage) of machine '\(launch.name)' has \(length ?? 0) bytes, not the "
                    + "\(launch.hardware.memory) of the machine's memory.")
        }
        let boot = launch.hardware.boot
        let kernel = try boot.map { boot throws(HypervisorError) in try open(boot.kernel, .readOnly, "kernel", launch) }
        let initrd = try boot?.initrd.map { path throws(HypervisorError) in
            try open(path, .readOnly, "initial RAM disk", launch)
        }
        let resources: Resources
        do throws(Errno) {
            resources = try Resources(launch.disks)
        } catch {
            throw HypervisorError(
                .failed, "Machine '\(launch.name)' could not be started: a descriptor was refused: \(error).")
        }
        let line = CommandLine(
            launch, capabilities,
            CommandLine.Inherited(
                memoryImage: image, kernel: kernel, initrd: initrd, console: resources.consoleEnd,
                agent: resources.agentEnd, save: resources.saving.written, state: resources.state.descriptor,
                disks: resources.diskEnds))
        let (server, console, agent) = (resources.server, resources.console, resources.agent)
        do {
            try resources.serve()
            let process = try await QEMUProcess.start(
                program, name: "machine '\(launch.name)'", log: launch.log, arguments: line.arguments,
                descriptors: line.descriptors, handedOver: resources.handedOver,
                afterwards: { _ in
                    server.stop()
                    console.shutDown()
                    agent.shutDown()
                })
            do {
                return try await finish(launch, capabilities, process, image, resources)
            } catch {
                await process.end()
                throw error
            }
        } catch {
            await BlockingWork.run { server.stop() }
            throw error as? HypervisorError
                ?? HypervisorError(.failed, "Machine '\(launch.name)' could not be started: \(error).")
        }
    }

    private static func finish(
        _ launch: Launch, _ capabilities: Capabilities, _ process: QEMUProcess, _ image: Descriptor,
        _ resources: Resources
    ) async throws -> QEMUMachine {
        let tree: String
        let blocks: String
        do throws(QMPError) {
            tree = try await process.monitor.humanMonitor("info qtree")
            blocks = try await process.monitor.humanMonitor("info ramblock")
        } catch {
            throw process.translate(error)
        }
        let traits = MachineTraits(
            hypervisor: capabilities.hypervisor, accelerator: capabilities.accelerator.rawValue,
            machineType: capabilities.machineType, processor: capabilities.processor,
            processors: launch.hardware.processors, memory: launch.hardware.memory,
            devices: DeviceList.digest(tree: tree))
        let memory = try GuestMemory(of: image, size: launch.hardware.memory, in: process.child)
        let parts = Parts(
            disks: resources.disks, server: resources.server, saving: resources.saving,
            loading: Loading(resources.state))
        return QEMUMachine(
            launch, traits, process, memory, parts, MemoryBlocks.unknown(in: blocks), console: resources.console,
            agent: resources.agent)
    }

    /// Refuses what QEMU would misunderstand.
    private static func check(_ launch: Launch) throws(HypervisorError) {
        func refuse(_ what: String) -> HypervisorError {
            HypervisorError(.refused, "Machine '\(launch.name)' cannot be started: \(what).")
        }
        let hardware = launch.hardware
        guard hardware.memory > 0, hardware.memory % (1 << 20) == 0, hardware.memory <= 1 << 44 else {
            throw refuse("its memory of \(hardware.memory) bytes is not a multiple of 1 MiB")
        }
        guard (1...255).contains(hardware.processors) else {
            throw refuse("\(hardware.processors) processors are not between 1 and 255")
        }
        guard launch.disks.count <= CommandLine.diskLimit else {
            throw refuse("it has \(launch.disks.count) disks, and there is room for \(CommandLine.diskLimit)")
        }
        guard Set(launch.disks.map(\.name)).count == launch.disks.count else {
            throw refuse("two of its disks have the same name")
        }
        for text in [launch.name, hardware.boot?.arguments ?? ""] + launch.disks.map(\.name) where text.contains("\0") {
            throw refuse("a name or argument contains a zero byte")
        }
    }

    private static func open(
        _ path: FilePath, _ mode: FileDescriptor.AccessMode, _ what: String, _ launch: Launch
    ) throws(HypervisorError) -> Descriptor {
        do {
            return try Descriptor.open(path, mode)
        } catch {
            throw HypervisorError(
                .refused, "The \(what) \(path) of machine '\(launch.name)' cannot be opened: \(error).")
        }
    }
}

/// What is made for a machine before its process.
private struct Resources {
    let console: ByteChannel
    let agent: ByteChannel
    let consoleEnd: Descriptor
    let agentEnd: Descriptor
    let saving: QEMUMachine.Saving
    let state: StateFile
    let disks: [ServedDisk]
    let server = NBDServer()
    let diskEnds: [Descriptor]
    private let serverEnds: [Descriptor]

    init(_ disks: [Launch.Disk]) throws(Errno) {
        console = try ByteChannel()
        agent = try ByteChannel()
        consoleEnd = try Descriptor.copy(of: console.guestEnd)
        agentEnd = try Descriptor.copy(of: agent.guestEnd)
        // QEMU opens an inherited descriptor only for the access that it has, and a state is only written.
        let memory = try MemoryFile.make("fermata-devices")
        saving = QEMUMachine.Saving(
            written: try Descriptor.open(FilePath(Descriptor.path(ofInherited: memory.raw)), .writeOnly), read: memory)
        state = try StateFile(room: 0)
        self.disks = disks.map { ServedDisk($0) }
        var ends: [(here: Descriptor, there: Descriptor)] = []
        for _ in disks { ends.append(try Descriptor.pair()) }
        serverEnds = ends.map(\.here)
        diskEnds = ends.map(\.there)
    }

    /// Those that are the child's alone.
    var handedOver: [Descriptor] { [consoleEnd, agentEnd] + diskEnds }

    /// Begins to answer on the disks' connections.
    func serve() throws {
        for (disk, end) in zip(disks, serverEnds) {
            try server.serve(connection: end.duplicate(), export: disk.export)
            end.close()
        }
    }
}
