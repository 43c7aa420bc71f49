// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct RestoreTests {
        private func counting(_ lab: Lab, processors: Int = 1) async throws -> (QEMUMachine, ConsoleText) {
            let (machine, console) = try await lab.boot(processors: processors)
            console.type("witness run --console")
            try await console.wait { Tick.all(in: $0).count >= 3 }
            return (machine, console)
        }

        /// Expects that one guest, in one life, counted without gap or repetition.
        private func expectOneLife(_ text: String) {
            let ticks = Tick.all(in: text)
            #expect(ticks.map(\.number) == Array(1...UInt64(max(1, ticks.count))))
            #expect(Set(ticks.map(\.boot)).count == 1)
            #expect(Set(ticks.map(\.nonce)).count == 1)
            for (one, next) in zip(ticks, ticks.dropFirst()) { #expect(next.monotonic > one.monotonic) }
        }

        @Test(arguments: [1, 2])
        func `a machine is brought back in place, again and again`(processors: Int) async throws {
            let (machine, console) = try await counting(Lab(), processors: processors)
            let state = try await machine.hold(console)
            let known = Tick.all(in: state.console).count
            _ = try await machine.resume()
            for _ in 1...3 {
                let discarded = console.mark
                let future = try await console.wait(from: discarded) { Tick.all(in: $0).count >= 10 }
                let mark = try await machine.bringBack(state, console)
                #expect(areEqual(try machine.wholeMemory(), state.memory))
                _ = try await machine.resume()
                let after = try await console.wait(from: mark) { Tick.all(in: state.console + $0).count >= known + 3 }
                expectOneLife(state.console + after)
                // The discarded seconds have not passed for the guest.
                let first = Tick.all(in: state.console + after)[known]
                #expect(first.monotonic < Tick.all(in: future).last?.monotonic ?? 0)
            }
            try await machine.reset()
            let mark = console.mark
            try await console.guest(from: mark)
            await machine.kill()
        }

        @Test func `a fresh process goes on from a state of another`() async throws {
            let lab = try Lab()
            let (machine, console) = try await counting(lab)
            let state = try await machine.hold(console)
            await machine.kill()

            let image = lab.folder.appending("held.bin")
            try Data(state.memory).write(to: URL(fileURLWithPath: image.string))
            let next = try await lab.start(lab.launch(image: image))
            #expect(next.traits == machine.traits)
            let nextConsole = ConsoleText(next.console)
            try await next.loadDevices(state.devices)
            _ = try await next.resume()
            let known = Tick.all(in: state.console).count
            let after = try await nextConsole.wait { Tick.all(in: state.console + $0).count >= known + 3 }
            expectOneLife(state.console + after)
            // Restores of restores: this one's state goes into it again.
            let again = try await next.hold(nextConsole)
            _ = try await next.resume()
            try await nextConsole.wait(from: nextConsole.mark) { Tick.all(in: $0).count >= 2 }
            let mark = try await next.bringBack(again, nextConsole)
            _ = try await next.resume()
            try await nextConsole.wait(from: mark) { Tick.all(in: $0).count >= 3 }
            expectOneLife(state.console + again.console + nextConsole.text(from: mark))
            await next.kill()
            #expect(try Data(contentsOf: URL(fileURLWithPath: image.string)) == Data(state.memory))
        }

        @Test func `a page left stale is found by the guest itself`() async throws {
            let (machine, console) = try await Lab().boot()
            _ = try await console.run("seq 1000000 1200000 | head -c 1048576 > /tmp/ram")
            func digest() async throws -> String {
                // Only the digest: around it stands what the shell had still to say when it was held.
                let text = try await console.run("sha256sum /tmp/ram")
                return String(try #require(text.firstMatch(of: /[0-9a-f]{64}/)).output)
            }
            let right = try await digest()
            let state = try await machine.hold(console)
            _ = try await machine.resume()
            _ = try await console.run("seq 2000000 2200000 | head -c 1048576 | dd of=/tmp/ram conv=notrunc bs=64k")
            #expect(try await digest() != right)

            // The page in the middle of the file, which the guest has overwritten since.
            _ = try await machine.stop()
            let future = try machine.wholeMemory()
            func middle(_ first: Int) -> [UInt8] {
                // Eight bytes a line, 512 lines a page.
                Array((0..<512).map { "\(first + 128 * 512 + $0)\n" }.joined().utf8)
            }
            let (old, new) = (middle(1_000_000), middle(2_000_000))
            let stale = (0..<state.memory.count / PageRun.pageSize).filter { page in
                let range = page * PageRun.pageSize..<(page + 1) * PageRun.pageSize
                return state.memory[range].first == old.first && state.memory[range].elementsEqual(old)
                    && future[range].elementsEqual(new)
            }
            #expect(stale.count == 1)
            let page = try #require(stale.first)

            _ = try await machine.bringBack(state, console, leavingOut: page)
            _ = try await machine.resume()
            #expect(try await digest() != right)

            _ = try await machine.bringBack(state, console)
            _ = try await machine.resume()
            #expect(try await digest() == right)
            await machine.kill()
        }

        @Test func `without the devices, the guest does not go on as it was`() async throws {
            let (machine, console) = try await counting(Lab())
            let state = try await machine.hold(console)
            _ = try await machine.resume()
            try await console.wait(from: console.mark) { Tick.all(in: $0).count >= 3 }
            let before = try await machine.hold(console)
            _ = try await machine.bringBack(state, console)
            #expect(try await machine.saveDevices() != before.devices)
            let first = try await machine.saveDevices()
            try await machine.loadDevices(before.devices)
            #expect(try await machine.saveDevices() != first)
            await machine.kill()
        }

        @Test func `both ways to find changed pages find the same`() async throws {
            let (machine, console) = try await Lab().boot()
            _ = try await console.run("dd if=/dev/urandom of=/tmp/ram bs=4096 count=2000")
            _ = try await machine.stop()
            let (byScan, byEntries) = try machine.memory.scanBothWays()
            #expect(byScan == byEntries)
            #expect(byScan == (try machine.changedPages()))
            // The image was zeros: every other page still is, and the guest's 2000 are among those found.
            let memory = try machine.wholeMemory()
            var changed = Set<Int>()
            for run in byScan { changed.formUnion(run.first..<run.first + run.count) }
            #expect(changed.count >= 2000)
            for page in 0..<memory.count / PageRun.pageSize where !changed.contains(page) {
                let range = page * PageRun.pageSize..<(page + 1) * PageRun.pageSize
                guard memory[range].allSatisfy({ $0 == 0 }) else {
                    Issue.record("page \(page) has changed and was not found")
                    break
                }
            }
            await machine.kill()
        }

        @Test func `a large transfer in many runs copies every byte`() async throws {
            let lab = try Lab()
            let machine = try await lab.start(lab.launch(boots: false))
            let seed = UInt64.random(in: 0 ... .max)
            var generator = SeededGenerator(seed: seed)
            let pages = Int(Lab.memory) / PageRun.pageSize
            var runs: [PageRun] = []
            var next = 0
            while next < pages - 64 {
                let count = Int.random(in: 1...7, using: &generator)
                runs.append(PageRun(first: next, count: count))
                next += count + Int.random(in: 1...8, using: &generator)
            }
            #expect(runs.count > 2048)
            let size = runs.reduce(0) { $0 + $1.byteCount }
            var bytes = [UInt8](repeating: 0, count: size)
            for index in stride(from: 0, to: size, by: 64) {
                bytes[index] = UInt8.random(in: 0...255, using: &generator)
            }
            try unsafe bytes.withUnsafeBytes { try unsafe machine.writeMemory(runs, from: $0) }
            var back = [UInt8](repeating: 1, count: size)
            try unsafe back.withUnsafeMutableBytes { try unsafe machine.readMemory(runs, into: $0) }
            #expect(back == bytes, "seed \(seed)")
            let changed = try machine.changedPages()
            let written = Set(runs.flatMap { $0.first..<$0.first + $0.count })
            let found = Set(changed.flatMap { $0.first..<$0.first + $0.count })
            #expect(found.isSuperset(of: written), "seed \(seed)")
            #expect(throws: HypervisorError.self) {
                try unsafe bytes.withUnsafeBytes {
                    try unsafe machine.writeMemory([PageRun(first: 0, count: 1)], from: $0)
                }
            }
            for run in [PageRun(first: pages, count: 1), PageRun(first: -1, count: 1), PageRun(first: 1, count: .max)] {
                let one = [UInt8](repeating: 0, count: PageRun.pageSize)
                #expect(throws: HypervisorError.self) {
                    try unsafe one.withUnsafeBytes { try unsafe machine.writeMemory([run], from: $0) }
                }
            }
            await machine.kill()
            #expect(throws: HypervisorError.self) { try machine.changedPages() }
            #expect(throws: HypervisorError.self) { try machine.wholeMemory() }
        }

        @Test func `states that are none are refused`() async throws {
            let lab = try Lab()
            let other = try await lab.start(
                lab.launch(
                    "two", disks: [Launch.Disk(name: "system", device: MemoryDevice(size: 1 << 20))], boots: false))
            let foreign = try await other.saveDevices()
            let (machine, console) = try await counting(lab)
            await #expect(throws: HypervisorError.self) { try await machine.saveDevices() }
            await #expect(throws: HypervisorError.self) { try await machine.loadDevices(foreign) }
            let page = [UInt8](repeating: 0, count: PageRun.pageSize)
            #expect(throws: HypervisorError.self) {
                try unsafe page.withUnsafeBytes {
                    try unsafe machine.writeMemory([PageRun(first: 0, count: 1)], from: $0)
                }
            }
            let state = try await machine.hold(console)
            for wrong in [[], [1, 2, 3], foreign, Array(state.devices.prefix(state.devices.count / 2))] {
                let error = await #expect(throws: HypervisorError.self) { try await machine.loadDevices(wrong) }
                #expect(error?.description.contains("web") == true)
            }
            // A state larger than the file that QEMU has open gets a larger one.
            try await machine.loadDevices(state.devices + [UInt8](repeating: 0, count: 3 << 20))
            try await machine.loadDevices(state.devices)
            await machine.kill()
            await other.kill()
        }
    }
}
