// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct HardwareTests {
        @Test func `traits are equal for equal hardware only`() async throws {
            let lab = try Lab()
            func disk(_ name: String) -> Launch.Disk { Launch.Disk(name: name, device: MemoryDevice(size: 1 << 20)) }
            func traits(_ launch: Launch) async throws -> MachineTraits {
                let machine = try await lab.start(launch)
                let traits = machine.traits
                await machine.kill()
                return traits
            }
            let one = try await traits(lab.launch("one", disks: [disk("system")], boots: false))
            let same = try await traits(lab.launch("two", disks: [disk("system")], boots: false, clock: 1_000_000_000))
            #expect(one == same)
            #expect(one.hypervisor.hasPrefix("QEMU ") && one.machineType.hasPrefix("pc-q35-"))
            #expect(one.processor.hasPrefix("max "))
            #expect(one.devices.count == 64)
            let more = try await traits(lab.launch("three", disks: [disk("system"), disk("data")], boots: false))
            #expect(more.devices != one.devices)
            let other = try await traits(lab.launch("four", disks: [disk("other")], boots: false))
            #expect(other.devices != one.devices)
            let two = try await traits(lab.launch("five", disks: [disk("system")], boots: false, processors: 2))
            #expect(two.processors == 2 && two != one)
            let plain = try await traits(lab.launch("six", disks: [disk("system")], boots: false, hasEntropy: false))
            #expect(plain.devices != one.devices)
            let card = try await traits(
                lab.launch("seven", disks: [disk("system")], boots: false, network: "52:54:00:00:00:01"))
            let sibling = try await traits(
                lab.launch("eight", disks: [disk("system")], boots: false, network: "52:54:00:00:00:02"))
            // A fork keeps its address in the state of its devices, whatever the process was told.
            #expect(card.devices != one.devices && card == sibling)
        }

        @Test func `a guest finds its disks by name, in order`() async throws {
            let disks = ["system", "data", "more,fsync=1"].enumerated().map {
                Launch.Disk(name: $1, device: MemoryDevice(size: UInt64(1 + $0) << 20))
            }
            let (machine, console) = try await Lab().boot(disks: disks)
            let text = try await console.run(
                "for file in /sys/block/vd?/serial /sys/block/vd?/size; do echo $(cat $file); done")
            #expect(
                text.split(separator: "\n").map(String.init).suffix(6)
                    == ["system", "data", "more,fsync=1", "2048", "4096", "6144"])
            #expect(try await console.run("date -u +%Y").contains("2026"))
            await machine.kill()
        }

        @Test(arguments: [true, false])
        func `a guest finds its network card, and random numbers if it has them`(hasEntropy: Bool) async throws {
            let lab = try Lab()
            let launch = try lab.launch(hasEntropy: hasEntropy, network: "52:54:00:12:34:56")
            let machine = try await lab.start(launch)
            let console = ConsoleText(machine.console)
            _ = try await machine.resume()
            try await console.guest()
            let text = try await console.run(
                "cd /sys/class/net/eth0 && cat address && ip link set eth0 up && cat carrier"
                    + "; echo from $(cat /sys/class/misc/hw_random/rng_current)")
            let source = hasEntropy ? "virtio_rng.0" : "none"
            #expect(
                text.split(separator: "\n").map(String.init).suffix(3) == ["52:54:00:12:34:56", "1", "from \(source)"])
            // Neither device brings a block of memory that no device state holds.
            #expect(machine.unknownBlocks.isEmpty)
            await machine.kill()
        }

        @Test func `the newest machine type is chosen by number`() {
            #expect(
                Capabilities.newest(["pc-q35-2.9", "pc-q35-7.2", "pc-q35-2.12", "q35", "pc-q35-7.10"]) == "pc-q35-7.10")
            #expect(Capabilities.newest(["pc-q35-4.0", "pc-q35-4.0.1", "pc-q35-x"]) == "pc-q35-4.0.1")
            #expect(Capabilities.newest(["pc-i440fx-7.2"]) == nil)
        }

        @Test func `a block of memory that nobody knows is named`() {
            let heading =
                "              Block Name    PSize              Offset               Used              Total\n"
            let known =
                heading + """
                                     ram    4 KiB  0x0000000000000000 0x0000000008000000 0x0000000008000000
                    /rom@etc/acpi/tables    4 KiB  0x0000000008080000 0x0000000000020000 0x0000000000200000

                    """
            #expect(MemoryBlocks.unknown(in: known) == [])
            let more =
                known + """
                                vga.vram    4 KiB  0x0000000008080000 0x0000000001000000 0x0000000001000000
                     0000:00:05.0/my rom    4 KiB  0x0000000008080000 0x0000000001000000 0x0000000001000000
                    """
            #expect(MemoryBlocks.unknown(in: more) == ["vga.vram", "0000:00:05.0/my rom"])
        }

        @Test func `a moment is told as QEMU's clock takes it`() {
            #expect(CommandLine.text(ofSeconds: 0) == "1970-01-01T00:00:00")
            #expect(CommandLine.text(ofSeconds: 1_709_210_096) == "2024-02-29T12:34:56")
        }

        @Test func `the file of a state is an image that QEMU's own program finds sound`() throws {
            let folder = try TemporaryFolder()
            let state = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            for room in [0, 5 << 20] {
                let file = try StateFile(room: room)
                try file.put([UInt8](repeating: 9, count: 300_000))
                try file.put(state)
                let bytes = try MemoryFile.contents(of: file.descriptor)
                #expect(Array(bytes[7 * 65536..<7 * 65536 + state.count]) == state)
                #expect(bytes[(7 * 65536 + state.count)...].allSatisfy { $0 == 0 })
                let path = folder.appending("state.qcow2")
                try Data(bytes).write(to: URL(fileURLWithPath: path.string))
                #expect(try program("qemu-img", "check", path.string).contains("No errors were found"))
                let list = try program("qemu-img", "snapshot", "-l", path.string)
                #expect(list.contains("1         s "))
            }
            let file = try StateFile(room: 0)
            #expect(throws: Errno.self) { try file.put([UInt8](repeating: 0, count: file.capacity + 1)) }
            #expect(throws: Errno.self) { try StateFile(room: .max) }
        }

        private func program(_ name: String, _ arguments: String...) throws -> String {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [name] + arguments
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let data = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            return String(decoding: data, as: UTF8.self)
        }
    }
}
