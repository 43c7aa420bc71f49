// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct HostDeathTests {
        /// The processes whose arguments name the machine: its host, the host's child before it becomes QEMU, QEMU.
        private func processes(of name: String) throws -> [pid_t] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter { process in
                let file = "/proc/\(process)/cmdline"
                guard let arguments = FileManager.default.contents(atPath: file) else { return false }
                return String(decoding: arguments, as: UTF8.self).contains(name)
            }
        }

        private func host(_ name: String, _ lab: Lab) throws -> (Process, Pipe) {
            let folder = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let process = Process()
            process.executableURL = URL(fileURLWithPath: folder).deletingLastPathComponent()
                .appendingPathComponent("host-of-machine")
            process.arguments = [
                name, try lab.emptyImage("\(name).bin", memory: 16 << 20).string,
                lab.folder.appending("\(name).log").string,
            ]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            return (process, output)
        }

        /// Waits until no process is left; the kernel delivers the signal at once, so only a leak waits long.
        private func expectNone(_ name: String) async throws {
            for _ in 0..<600 {
                if try processes(of: name).isEmpty { return }
                try await Task.sleep(for: .milliseconds(50))
            }
            Issue.record("processes \(try processes(of: name)) outlive the host of \(name)")
            for process in try processes(of: name) { kill(process, SIGKILL) }
        }

        /// Waits until a process is gone, or a zombie that waits for init.
        private func isGone(_ process: pid_t) async throws -> Bool {
            for _ in 0..<600 {
                let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
                if status == nil || status?.contains(") Z ") == true { return true }
                try await Task.sleep(for: .milliseconds(50))
            }
            return false
        }

        @Test func `a machine dies with a host that is killed while it runs`() async throws {
            let lab = try Lab()
            let name = "host-\(UUID().uuidString)"
            let (process, output) = try host(name, lab)
            #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "running\n")
            #expect(try processes(of: name).count == 2)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            try await expectNone(name)
        }

        @Test func `a machine dies with a host that is killed within 50 ms of the spawn`() async throws {
            let lab = try Lab()
            let seed = UInt64.random(in: 0 ... .max)
            var generator = SeededGenerator(seed: seed)
            var seen = 0
            for round in 0..<25 {
                let name = "host-\(UUID().uuidString)"
                let (process, _) = try host(name, lab)
                // The first child asks QEMU what it offers; the second is the machine.
                let wanted = round.isMultiple(of: 2) ? 1 : 2
                var children = Set<String>()
                let path = "/proc/\(process.processIdentifier)/task"
                while children.count < wanted && process.isRunning {
                    for thread in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
                        let list = try? String(contentsOfFile: "\(path)/\(thread)/children", encoding: .utf8)
                        children.formUnion(list?.split(separator: " ").map(String.init) ?? [])
                    }
                }
                usleep(UInt32.random(in: 0...50_000, using: &generator))
                if kill(process.processIdentifier, SIGKILL) == 0 { seen += 1 }
                process.waitUntilExit()
                try await expectNone(name)
                // Those whose arguments nothing could be seen of, too: what is known by its number.
                for child in children.compactMap({ pid_t($0) }) {
                    #expect(try await isGone(child), "seed \(seed), round \(round)")
                }
            }
            #expect(seen == 25)
        }

        @Test func `a machine survives while threads and tasks of its host come and go`() async throws {
            let lab = try Lab()
            let machine = try await lab.start(lab.launch(boots: false))
            _ = try await machine.resume()
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<1000 {
                    group.addTask {
                        if index.isMultiple(of: 10) {
                            await BlockingWork.run {}
                        } else {
                            await Task.yield()
                        }
                    }
                }
            }
            _ = try await machine.stop()
            await machine.kill()
        }
    }
}
