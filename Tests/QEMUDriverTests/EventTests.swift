// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct EventTests {
        /// The events up to the last.
        private func all(_ machine: QEMUMachine) async -> [VirtualMachineEvent] {
            var events: [VirtualMachineEvent] = []
            for await event in machine.events { events.append(event) }
            return events
        }

        @Test func `the power button ends a guest that obeys it`() async throws {
            let (machine, _) = try await Lab().boot()
            try await machine.pressPowerButton()
            let told = await all(machine)
            #expect(told == [.poweredOff, .ended(nil)])
            await machine.kill()
        }

        @Test func `a guest that restarts and powers itself off is told`() async throws {
            let (machine, console) = try await Lab().boot()
            let mark = console.mark
            console.type("reboot")
            try await console.guest(from: mark)
            console.type("poweroff")
            let events = await all(machine)
            #expect(events == [.restarted, .poweredOff, .ended(nil)])
            await #expect(throws: HypervisorError.self) { try await machine.stop() }
            await #expect(throws: HypervisorError.self) { try await machine.resume() }
        }

        @Test func `a reset from outside is no event of the guest's`() async throws {
            let (machine, console) = try await Lab().boot()
            let mark = console.mark
            try await machine.reset()
            try await console.guest(from: mark)
            await machine.kill()
            let told = await all(machine)
            #expect(told == [.ended(nil)])
        }

        @Test func `a guest that starts from its first disk and gives up is told, and the machine goes on`()
            async throws
        {
            // A boot sector that says so as a driver would, and halts: mov dx, 0x505; mov al, 1; out dx, al; hlt.
            let sector: [UInt8] = [0xBA, 0x05, 0x05, 0xB0, 0x01, 0xEE, 0xF4, 0xEB, 0xFD]
            let disk = MemoryDevice(size: 1 << 20)
            try disk.write(sector + [UInt8](repeating: 0, count: 510 - sector.count) + [0x55, 0xAA], at: 0)
            let lab = try Lab()
            let machine = try await lab.start(
                lab.launch(disks: [Launch.Disk(name: "system", device: disk)], boots: false))
            _ = try await machine.resume()
            var events = machine.events.makeAsyncIterator()
            #expect(await events.next() == .panicked)
            #expect(!machine.isHeld)
            await machine.kill()
            #expect(await events.next() == .ended(nil))
        }

        @Test func `a process that is killed from outside says how it ended`() async throws {
            let (machine, _) = try await Lab().boot()
            let events = Task { await all(machine) }
            _ = kill(machine.process.child.id, SIGKILL)
            guard case .ended(let reason) = await events.value.last else {
                Issue.record("no end")
                return
            }
            #expect(reason == "QEMU of machine 'web' ended by itself: signal 9 ended it.")
            let error = await #expect(throws: HypervisorError.self) { try await machine.stop() }
            #expect(error?.code == .ended)
            await machine.kill()
        }

        @Test func `a disk that fails holds the machine, which tries again when it goes on`() async throws {
            let isFull = Mutex(false)
            let device = MemoryDevice(size: 16 << 20) { operation throws(StorageError) in
                if operation == .write, isFull.withLock({ $0 }) {
                    throw StorageError(.noSpace, name: "memory", detail: "has no space left")
                }
            }
            let (machine, console) = try await Lab().boot(disks: [Launch.Disk(name: "system", device: device)])
            isFull.withLock { $0 = true }
            console.type("echo page | dd of=/dev/vda bs=512 conv=sync,fsync && echo was-$((40 + 2))")
            var events = machine.events.makeAsyncIterator()
            #expect(await events.next() == .diskFailed("system"))
            #expect(machine.isHeld)
            _ = try await machine.resume()
            #expect(await events.next() == .diskFailed("system"))
            isFull.withLock { $0 = false }
            _ = try await machine.resume()
            try await console.wait(for: "was-42")
            #expect(String(decoding: device.bytes.prefix(4), as: UTF8.self) == "page")
            await machine.kill()
            #expect(await events.next() == .ended(nil))
            #expect(await events.next() == nil)
        }
    }
}
