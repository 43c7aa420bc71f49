// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import Glibc
import QMP
import SystemPackage

/// The command line of a machine's QEMU, and the descriptors that go with it.
///
/// A saved state fits only the devices and addresses that this makes, in this order.
///
/// ```
///   00:02.0  virtio-serial-pci, port org.fermata.agent.0
///   00:03.0  virtio-rng-pci, unless the machine has none
///   00:03.1  virtio-net-pci, if the machine has a network card; at 00:03.0 if it has no virtio-rng-pci
///   00:04.0  the first disk; the others follow, up to 00:1e.0
///   ISA      a serial line, and a device through which the guest's kernel says that it gave up
/// ```
struct CommandLine {
    private(set) var arguments: [String] = []
    /// What the child gets from descriptor 4 on.
    private(set) var descriptors: [Descriptor] = []

    /// The block node of the state to load.
    static let stateNode = "state"
    /// The descriptor set into which devices are saved, as a path for QEMU.
    static let savePath = "/dev/fdset/1"
    /// The descriptor set of the state to load.
    static let statePath = "/dev/fdset/2"
    /// The name of the port for commands.
    static let agentPort = "org.fermata.agent.0"

    /// Where the virtio device of the guest's ports stands among QEMU's objects.
    static let portsPath = "/machine/peripheral/ports/virtio-backend"

    /// The queue on which the first port that has a name sends: ports 0 and control have the four before its two.
    static let agentOutputQueue = 5

    private static let firstDescriptor: Int32 = 4
    private static let firstDiskSlot = 0x04
    private static let lastDiskSlot = 0x1E

    /// The most disks that a machine can have.
    static let diskLimit = lastDiskSlot - firstDiskSlot + 1

    /// What a machine's process inherits besides its monitor.
    struct Inherited {
        var memoryImage: Descriptor
        var kernel: Descriptor?
        var initrd: Descriptor?
        var console: Descriptor
        var agent: Descriptor
        var save: Descriptor
        var state: Descriptor
        var disks: [Descriptor]
    }

    init(_ launch: Launch, _ capabilities: Capabilities, _ inherited: Inherited) {
        let hardware = launch.hardware
        let name = launch.name.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
        add("-name", "guest=\(name)")
        add("-accel", capabilities.accelerator.rawValue)
        add("-machine", "\(capabilities.machineType),memory-backend=\(MemoryBlocks.mainMemory),suppress-vmdesc=on")
        add("-global", "migration.send-configuration=off")
        add("-cpu", Capabilities.processorModel)
        add("-smp", String(hardware.processors))
        add("-m", "size=\(hardware.memory >> 20)M")
        add("-rtc", "base=\(Self.text(ofSeconds: launch.clockBase)),clock=vm")
        // The engine decides what a panic means; the machine only tells.
        add("-action", "panic=none")
        add("-S")
        add(
            "-object",
            [
                "qom-type": "memory-backend-file", "id": .string(MemoryBlocks.mainMemory),
                "size": .integer(Int64(hardware.memory)), "mem-path": .string(inherit(path: inherited.memoryImage)),
                "share": false, "merge": false,
            ])
        if let boot = hardware.boot {
            if let kernel = inherited.kernel { add("-kernel", inherit(path: kernel)) }
            if let initrd = inherited.initrd { add("-initrd", inherit(path: initrd)) }
            add("-append", boot.arguments)
        }
        add("-chardev", "socket,id=console,fd=\(inherit(inherited.console))")
        add("-device", ["driver": "isa-serial", "id": "serial0", "chardev": "console"])
        add("-device", ["driver": "pvpanic", "id": "panic"])
        add("-chardev", "socket,id=agent,fd=\(inherit(inherited.agent))")
        add("-device", ["driver": "virtio-serial-pci", "id": "ports", "addr": "02"])
        add(
            "-device",
            [
                "driver": "virtserialport", "id": "agent0", "bus": "ports.0", "nr": 1, "chardev": "agent",
                "name": .string(Self.agentPort),
            ])
        addEntropy(hardware)
        addNetwork(hardware)
        addState(inherited)
        for (index, pair) in zip(launch.disks, inherited.disks).enumerated() {
            addDisk(index, name: pair.0.name, isReadOnly: pair.0.device.isReadOnly, connection: pair.1)
        }
    }

    /// Random numbers that QEMU itself draws from the host's kernel: no file, no socket.
    private mutating func addEntropy(_ hardware: Hardware) {
        guard hardware.hasEntropy else { return }
        add("-object", ["qom-type": "rng-builtin", "id": "random"])
        add(
            "-device",
            [
                "driver": "virtio-rng-pci", "id": "entropy", "rng": "random", "addr": "03",
                "multifunction": .bool(hardware.networkAddress != nil),
            ])
    }

    /// A card on a hub whose other port leads nowhere.
    ///
    /// A hub with no other port at all would hold back what the guest sends, for ever. The card has no start-up ROM of
    /// its own: nothing starts from this network, and its memory block would be one more to keep.
    private mutating func addNetwork(_ hardware: Hardware) {
        guard let address = hardware.networkAddress else { return }
        add("-netdev", "hubport,id=segment,hubid=0")
        add("-netdev", "hubport,id=nowhere,hubid=0")
        add(
            "-device",
            [
                "driver": "virtio-net-pci", "id": "network", "netdev": "segment", "mac": .string(address),
                "addr": .string(hardware.hasEntropy ? "03.1" : "03"), "romfile": "",
            ])
    }

    /// The name of a disk's block node.
    static func node(_ index: Int) -> String { "disk\(index)" }

    private mutating func addState(_ inherited: Inherited) {
        add("-add-fd", "fd=\(inherit(inherited.save)),set=1")
        add("-add-fd", "fd=\(inherit(inherited.state)),set=2")
        add("-blockdev", Self.stateNodeOptions(Self.statePath))
    }

    /// The block node of a state to load: nobody's disk, so nothing of it need be flushed.
    static func stateNodeOptions(_ path: String) -> JSONValue {
        [
            "driver": "qcow2", "node-name": .string(stateNode), "cache": ["no-flush": true],
            "file": ["driver": "file", "filename": .string(path), "locking": "off", "cache": ["no-flush": true]],
        ]
    }

    private mutating func addDisk(_ index: Int, name: String, isReadOnly: Bool, connection: Descriptor) {
        let node = Self.node(index)
        add(
            "-blockdev",
            [
                "driver": "nbd", "node-name": .string(node), "read-only": .bool(isReadOnly),
                "discard": "unmap", "server": ["type": "fd", "str": .string(String(inherit(connection)))],
            ])
        add(
            "-device",
            [
                "driver": "virtio-blk-pci", "id": .string("\(node)-device"), "drive": .string(node),
                "addr": .string(String(Self.firstDiskSlot + index, radix: 16)), "serial": .string(name),
                "werror": "stop", "rerror": "stop",
            ])
    }

    private mutating func add(_ option: String, _ value: String) {
        arguments += [option, value]
    }

    private mutating func add(_ option: String, _ value: JSONValue) {
        arguments += [option, value.description]
    }

    private mutating func add(_ option: String) {
        arguments.append(option)
    }

    private mutating func inherit(_ descriptor: Descriptor) -> Int32 {
        descriptors.append(descriptor)
        return Self.firstDescriptor + Int32(descriptors.count - 1)
    }

    private mutating func inherit(path descriptor: Descriptor) -> String {
        Descriptor.path(ofInherited: inherit(descriptor))
    }

    /// A moment as QEMU's clock takes it: `2026-01-31T12:00:00`, in UTC.
    static func text(ofSeconds seconds: Int64) -> String {
        var moment = time_t(seconds)
        var parts = unsafe tm()
        unsafe gmtime_r(&moment, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return unsafe "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
