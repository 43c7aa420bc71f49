// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation
import QEMUDriver
import SystemPackage

/// Hosts one machine for `Scripts/bench`: does what each line of its input asks, and answers each with a line of JSON.
///
/// ```
///   run LINE                      runs a line of shell in the guest      {"exitCode", "output"}
///   checkpoint NAME               holds this moment                      {"durable", "pause"}   microseconds
///   apply NAME in-place|fresh     comes back to it                       {"pause", "way", "whole"}
///   delete NAME                   forgets it                             {}
/// ```
/// What fails is answered with `{"error"}`. The machine is turned off at the end of the input.
@main
struct Bench {
    static func main() async {
        do {
            let bench = try await Bench(arguments: Array(CommandLine.arguments.dropFirst()))
            bench.say(["ready": true])
            while let line = readLine() {
                do {
                    bench.say(try await bench.obey(line))
                } catch {
                    bench.say(["error": .string("\(line): \(error)")])
                }
            }
            try await bench.host.turnOff()
        } catch {
            FileHandle.standardError.write(Data("FermataBench: \(error)\n".utf8))
            exit(1)
        }
    }

    private let host: MachineHost

    /// Makes the machine in a new lab, and starts it.
    private init(arguments: [String]) async throws {
        guard arguments.count == 5, let memory = UInt64(arguments[2]), let disk = UInt64(arguments[3]) else {
            throw EngineError(
                .wrongState,
                "expected the lab's folder, the guest's folder, memory and disk in MiB, and the kernel's arguments")
        }
        let lab = try LabFolder.create(FilePath(arguments[0]))
        let guest = FilePath(arguments[1])
        let definition = MachineDefinition(
            name: "bench", memory: .mebibytes(memory), processors: 1,
            boot: .init(kernel: "vmlinuz", initrd: "initrd.gz", arguments: arguments[4]),
            disks: [.init(name: "system", size: .mebibytes(disk))])
        let folder = try lab.createMachine(definition, file: { guest.appending($0) })
        host = try MachineHost(of: folder, hypervisor: QEMUDriver(accelerator: .tcg))
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
    }

    private func say(_ answer: JSON) {
        FileHandle.standardOutput.write(Data("\(answer.compact)\n".utf8))
    }

    private func obey(_ line: String) async throws -> JSON {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        let rest = words.count > 1 ? words[1] : ""
        switch words.first {
        case "run": return try await run(rest)
        case "checkpoint": return try await checkpoint(CheckpointName(rest))
        case "apply": return try await apply(rest.split(separator: " ").map(String.init))
        case "delete":
            try await host.delete([try await id(of: rest)])
            return .object([:])
        default:
            throw EngineError(.wrongState, "expected run, checkpoint, apply or delete")
        }
    }

    private func run(_ line: String) async throws -> JSON {
        let result = try await host.run(.shell(line), within: .minutes(10))
        let output = result.standardOutput + result.standardError
        return ["exitCode": .integer(result.exitCode), "output": .string(String(decoding: output, as: UTF8.self))]
    }

    private func checkpoint(_ name: CheckpointName) async throws -> JSON {
        let began = ContinuousClock.now
        let outcome = try await host.checkpoint(CheckpointRequest(name: name))
        let took = ContinuousClock.now - began
        return [
            "pause": .integer(outcome.pauseMicroseconds), "durable": .integer(Int64(took / .microseconds(1))),
        ]
    }

    private func apply(_ words: [String]) async throws -> JSON {
        guard words.count == 2 else { throw EngineError(.wrongState, "expected a name and in-place or fresh") }
        await host.change(HostSettings(restoreWay: words[1] == "fresh" ? .freshProcess : .inPlace))
        let outcome = try await host.apply(try await id(of: words[0]))
        return .members([
            "way": .string(outcome.way.rawValue), "whole": .integer(outcome.microseconds),
            "pause": outcome.pauseMicroseconds.map { .integer($0) },
        ])
    }

    private func id(of name: String) async throws -> GUID {
        try await host.files.checkpoint(name).id
    }
}
