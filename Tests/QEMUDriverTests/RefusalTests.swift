// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct RefusalTests {
        /// The error of a launch that must fail.
        private func refusal(_ lab: Lab, _ launch: Launch) async -> HypervisorError? {
            do {
                let machine = try await lab.driver.launch(launch)
                await machine.kill()
                return nil
            } catch {
                return error as? HypervisorError
            }
        }

        @Test func `a machine that QEMU could not run is refused before`() async throws {
            let lab = try Lab()
            let good = try lab.launch(boots: false)
            var wrong: [(Launch, String)] = []
            func add(_ words: String, _ change: (inout Launch) throws -> Void) rethrows {
                var launch = good
                try change(&launch)
                wrong.append((launch, words))
            }
            add("missing.bin") { $0.memoryImage = lab.folder.appending("missing.bin") }
            try add("bytes") { $0.memoryImage = try lab.emptyImage("short.bin", memory: 1 << 20) }
            add("1 MiB") { $0.hardware.memory = 12345 }
            add("processors") { $0.hardware.processors = 0 }
            add("same name") { launch in
                launch.disks = ["a", "a"].map { Launch.Disk(name: $0, device: MemoryDevice(size: 512)) }
            }
            add("room for") { launch in
                launch.disks = (0..<40).map { Launch.Disk(name: "\($0)", device: MemoryDevice(size: 512)) }
            }
            add("kernel") {
                $0.hardware.boot = Hardware.Boot(kernel: lab.folder.appending("none"), initrd: nil, arguments: "")
            }
            add("initial RAM disk") {
                $0.hardware.boot = Hardware.Boot(
                    kernel: $0.memoryImage, initrd: lab.folder.appending("none"), arguments: "")
            }
            for (launch, words) in wrong {
                let error = await refusal(lab, launch)
                #expect(error?.code == .refused)
                #expect(error?.description.contains(words) == true, "\(error?.description ?? "no error")")
                #expect(error?.description.contains("'web'") == true)
            }
        }

        @Test func `what QEMU says at its early end is in the error`() async throws {
            let lab = try Lab()
            var launch = try lab.launch(boots: false)
            // No kernel: QEMU looks for its header.
            let junk = lab.folder.appending("junk")
            try Data("no kernel".utf8).write(to: URL(fileURLWithPath: junk.string))
            launch.hardware.boot = Hardware.Boot(kernel: junk, initrd: nil, arguments: "")
            let error = await refusal(lab, launch)
            #expect(error?.code == .ended)
            #expect(error?.description.hasPrefix("QEMU for machine 'web' did not start: ") == true)
            #expect(error?.description.contains("kernel") == true, "\(error?.description ?? "no error")")
            #expect(error?.description.contains("status 1") == true, "\(error?.description ?? "no error")")
            let log = try String(contentsOfFile: launch.log.string, encoding: .utf8)
            #expect(log.contains("kernel"))
        }

        @Test func `a program that is no QEMU is told apart`() async throws {
            for (program, words) in [
                ("/bin/false", "status 1"), ("/nonexistent", "exec failed"), ("/etc/passwd", "exec"),
            ] {
                let lab = try Lab(driver: QEMUDriver(program: FilePath(program)))
                let error = await refusal(lab, try lab.launch(boots: false))
                #expect(error?.description.contains(words) == true, "\(error?.description ?? "no error")")
            }
        }

        @Test func `a missing QEMU names the package that has it`() throws {
            let error = #expect(throws: HypervisorError.self) { try QEMUBinary.find(in: "/nonexistent:/etc") }
            #expect(error?.code == .notInstalled)
            #expect(error?.description.contains("qemu-system-x86") == true)
            #expect(error?.description.contains("Debian package") == true)
        }
    }
}
