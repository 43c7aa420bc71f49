// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import FermataTestSupport
import Foundation
import StorageTestSupport
import Testing

@testable import QEMUDriver

extension RealQEMU {
    /// How many FLUSHes QEMU itself sends, by which those of the guest are told apart.
    @Suite(.timeLimit(.minutes(5))) struct FlushTests {
        /// What was counted on each disk before the stop, after it, and after the devices were saved.
        private struct Counts: Hashable {
            var before: [Int]
            var stopped: [Int]
            var saved: [Int]
        }

        private func count(_ machine: QEMUMachine) async throws -> Counts {
            for disk in machine.disks { #expect(await disk.holdFlushes(limit: .seconds(60)) == false) }
            return try await countHeld(machine)
        }

        private func countHeld(_ machine: QEMUMachine) async throws -> Counts {
            let before = machine.disks.map(\.heldFlushes)
            _ = try await machine.stop()
            let stopped = machine.disks.map(\.heldFlushes)
            _ = try await machine.saveDevices()
            let saved = machine.disks.map(\.heldFlushes)
            for disk in machine.disks { disk.release(behind: nil) }
            _ = try await machine.resume()
            return Counts(before: before, stopped: stopped, saved: saved)
        }

        private func boot(_ devices: [MemoryDevice]) async throws -> (QEMUMachine, ConsoleText) {
            try await Lab().boot(
                disks: zip(["system", "data"], devices).map { Launch.Disk(name: $0, device: $1) })
        }

        @Test func `QEMU flushes each disk once in a stop and once in a save of the devices`() async throws {
            let (writes, wrote) = AsyncStream.makeStream(of: Void.self)
            let devices = [
                MemoryDevice(size: 16 << 20) { operation throws(StorageError) in
                    if operation == .write { wrote.yield() }
                }, MemoryDevice(size: 16 << 20),
            ]
            let (machine, console) = try await boot(devices)
            let usual = Counts(before: [0, 0], stopped: [1, 1], saved: [2, 2])
            for _ in 1...5 { #expect(try await count(machine) == usual) }
            _ = try await console.run("dd if=/dev/urandom of=/dev/vda bs=4096 count=20 conv=fsync")
            for _ in 1...5 { #expect(try await count(machine) == usual) }

            console.type(
                "while [ ! -e /tmp/stop ]; do dd if=/dev/urandom of=/dev/vda bs=4096 count=9 oflag=direct; done &")
            var write = writes.makeAsyncIterator()
            for _ in 1...20 {
                let written = devices[0].count(of: .write)
                while devices[0].count(of: .write) < written + 50 { await write.next() }
                #expect(try await count(machine) == usual)
            }
            await machine.kill()
        }

        /// A machine that runs takes for durable what it is told is flushed.
        @Test func `no flush is answered from memory before the machine stands`() async throws {
            let devices = [MemoryDevice(size: 16 << 20), MemoryDevice(size: 16 << 20)]
            let (machine, console) = try await boot(devices)
            console.type("witness run --disk /dev/vda --flush 1 --pause 0 &")
            try await console.wait(for: "flushed 20")
            var answered: Set<Int> = []
            for _ in 1...20 {
                for disk in machine.disks { _ = await disk.holdFlushes(limit: .seconds(60)) }
                // The guest's next FLUSH arrives and waits; one that waits too long reaches the device instead.
                while machine.parts.disks[0].waitingFlushes == 0 { try await Task.sleep(for: .milliseconds(1)) }
                let counts = try await countHeld(machine)
                #expect(counts.before == [0, 0])
                #expect(counts.stopped[1] == 1 && counts.saved[1] == 2)
                #expect(counts.stopped[0] <= 2)
                #expect(counts.saved[0] == counts.stopped[0] + 1)
                answered.insert(counts.stopped[0])
            }
            // The guest's own, and QEMU's.
            #expect(answered.contains(2))
            await machine.kill()
        }

        @Test func `a flush that is in flight at the stop is told, and not counted`() async throws {
            let gate = Gate()
            let device = MemoryDevice(size: 16 << 20) { operation in if operation == .flush { gate.pass() } }
            let (machine, console) = try await boot([device])
            gate.shut()
            console.type("dd if=/dev/urandom of=/dev/vda bs=4096 count=1 conv=fsync; echo was-$((40 + 2))")
            await gate.arrival()
            let disk = machine.disks[0]
            #expect(await disk.holdFlushes(limit: .milliseconds(20)))
            let stopping = Task { try await machine.stop() }
            // QEMU waits for it, so the stop cannot end before.
            gate.open()
            _ = try await stopping.value
            #expect(disk.heldFlushes == 1)
            _ = try await machine.saveDevices()
            #expect(disk.heldFlushes == 2)
            disk.release(behind: nil)
            #expect(disk.heldFlushes == 0)
            _ = try await machine.resume()
            try await console.wait(for: "was-42")
            await machine.kill()
        }

        @Test func `after a swap no flush is answered before the sealed parent is durable`() async throws {
            let first = MemoryDevice(size: 16 << 20, name: "first")
            let (machine, console) = try await boot([first])
            _ = try await console.run("echo before | dd of=/dev/vda bs=512 conv=sync,fsync")
            let disk = machine.disks[0]
            _ = await disk.holdFlushes(limit: .seconds(60))
            _ = try await machine.stop()
            let second = first.copy(named: "second")
            try disk.replace(with: second)
            #expect(throws: (any Error).self) { try disk.replace(with: MemoryDevice(size: 8 << 20)) }
            let gate = Gate()
            gate.shut()
            disk.release { gate.pass() }
            _ = try await machine.resume()
            console.type("echo after | dd of=/dev/vda bs=512 conv=sync,fsync; echo was-$((40 + 2))")
            await gate.arrival()
            while second.count(of: .write) == 0 { try await Task.sleep(for: .milliseconds(1)) }
            #expect(second.count(of: .flush) == 0)
            #expect(!console.text().contains("was-42"))
            gate.open()
            try await console.wait(for: "was-42")
            #expect(second.count(of: .flush) >= 1)
            #expect(String(decoding: first.bytes.prefix(6), as: UTF8.self) == "before")
            #expect(String(decoding: second.bytes.prefix(5), as: UTF8.self) == "after")
            await machine.kill()
        }
    }
}
