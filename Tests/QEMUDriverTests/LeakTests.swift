// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import StorageTestSupport
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct LeakTests {
        private static func descriptors() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").sorted()
        }

        private static func children() throws -> Set<String> {
            var children = Set<String>()
            for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
                let list = try? String(contentsOfFile: "/proc/self/task/\(thread)/children", encoding: .utf8)
                children.formUnion(list?.split(separator: " ").map(String.init) ?? [])
            }
            return children
        }

        /// In a process of its own: what other tests open and start meanwhile does not count.
        @Test func `machines that are gone leave no descriptor and no child`() async {
            await #expect(processExitsWith: .success) {
                let lab = try Lab()
                func life(_ number: Int) async throws {
                    let disk = Launch.Disk(name: "system", device: MemoryDevice(size: 1 << 20))
                    let machine = try await lab.start(lab.launch(disks: [disk], boots: false))
                    if number.isMultiple(of: 3) { try await machine.loadDevices(try await machine.saveDevices()) }
                    if number.isMultiple(of: 2) { _ = try await machine.resume() }
                    await machine.kill()
                }
                try await life(0)
                let before = try Self.descriptors().count
                let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
                for number in 1...20 { try await life(number) }
                var wrong = try lab.launch(boots: false)
                wrong.hardware.boot = Hardware.Boot(kernel: wrong.log, initrd: nil, arguments: "")
                for _ in 1...5 {
                    let isRefused = await (try? lab.driver.launch(wrong)) == nil
                    try #require(isRefused)
                }
                try #require(try Self.descriptors().count <= before)
                try #require(try Self.children().isEmpty)
                // Swift's own threads may come, those of twenty machines may not stay.
                try #require(
                    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count < threads + 20)
            }
        }
    }
}
