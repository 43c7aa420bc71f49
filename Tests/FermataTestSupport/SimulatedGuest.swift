// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import FermataEngine
internal import Foundation
internal import StorageTestSupport
internal import Synchronization

/// The guest of a simulated machine: an agent and an interpreter whose variables lie in the machine's RAM.
///
/// ```
///  set NAME VALUE    a variable in RAM            echo TEXT      to standard output
///  get NAME          prints it                    warn TEXT      to standard error
///  write AT TEXT     to a disk, flushed           say TEXT       to the console
///  read AT COUNT     from a disk                  exit CODE      ends with that code
///  boot              prints this boot's id        hang           never ends
///  die               the process is gone          poweroff       the guest switches itself off
/// ```
/// `AT` is an offset on the first disk, or `NUMBER:OFFSET` with a disk's number, counted from 0.
/// Commands joined by `;` run one after another, and stop at the first that fails.
struct SimulatedGuest {
    /// Where the variables lie.
    private static let variables = PageRun.pageSize
    private static let room = 4 * PageRun.pageSize

    let machine: SimulatedMachine

    /// What a boot does: forgets everything, and tells the console.
    func boot() {
        store(["boot": UUID().uuidString])
        say("simulated guest ready")
    }

    private func say(_ text: String) {
        machine.send(Array("\(text)\r\n".utf8), to: machine.console)
    }

    /// Serves the agent's port until the machine ends.
    func read() {
        var decoder = SimulatedFrame.Decoder()
        var epoch: UInt64 = 0
        while machine.waitForInput() {
            machine.act {
                for frame in decoder.feed(machine.receive()) {
                    if frame.kind == 1 { epoch = frame.epoch }
                    if frame.epoch == epoch { answer(frame) }
                }
            }
        }
    }

    private func answer(_ frame: SimulatedFrame) {
        switch frame.kind {
        case 1: send(65, frame, SimulatedFrame.bytes([1, 65536, 65536]))
        case 2:
            send(66, frame, SimulatedFrame.bytes([1]))
            let words = frame.payload.dropFirst(12).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            let result = run(words.joined(separator: " "))
            if !result.output.isEmpty { send(67, frame, Array(result.output.utf8)) }
            if !result.messages.isEmpty { send(68, frame, Array(result.messages.utf8)) }
            if let code = result.code { send(69, frame, SimulatedFrame.bytes([0, UInt32(code)])) }
        default: break
        }
    }

    private func send(_ kind: UInt16, _ frame: SimulatedFrame, _ payload: [UInt8]) {
        let reply = SimulatedFrame(kind: kind, request: frame.request, epoch: frame.epoch, payload: payload)
        machine.send(reply.encoded(), to: machine.agent)
    }

    /// What a command prints, and its exit code; nil when it never ends.
    private func run(_ line: String) -> (output: String, messages: String, code: Int?) {
        var (output, messages) = ("", "")
        for command in line.split(separator: ";") {
            let words = command.split(separator: " ", maxSplits: 2).map(String.init)
            let rest = words.dropFirst().joined(separator: " ")
            switch words.first {
            case "set": store(load().merging([words[1]: words[2]]) { $1 })
            case "get": output += "\(load()[rest] ?? "(unset)")\n"
            case "boot": output += "\(load()["boot"] ?? "")\n"
            case "echo": output += "\(rest)\n"
            case "warn": messages += "\(rest)\n"
            case "say": say(rest)
            case "write":
                guard (try? write(words[2], at: words[1])) != nil else { return (output, "I/O error", 5) }
            case "read": output += (try? read(words[1], Int(words[2]) ?? 0)) ?? "(unreadable)"
            case "exit": return (output, messages, Int(rest) ?? 1)
            case "hang": return (output, messages, nil)
            case "poweroff": machine.end(.poweredOff, nil)
            case "die": machine.end(nil, "it was killed")
            default: return (output, messages + "\(line): not found\n", 127)
            }
        }
        return (output, messages, 0)
    }

    private func place(_ text: String) throws -> (disk: SimulatedDisk, offset: UInt64) {
        let numbers = text.split(separator: ":").map { Int($0) ?? 0 }
        let number = numbers.count > 1 ? numbers[0] : 0
        guard machine.guestDisks.indices.contains(number) else {
            throw HypervisorError(.failed, "there is no disk")
        }
        return (machine.guestDisks[number], UInt64(numbers.last ?? 0))
    }

    private func write(_ text: String, at place: String) throws {
        let (disk, offset) = try self.place(place)
        var sector = [UInt8](repeating: 0, count: 512)
        sector.replaceSubrange(0..<min(512, text.utf8.count), with: text.utf8.prefix(512))
        try disk.request { try $0.write(sector, at: offset) }
        try disk.flush()
    }

    private func read(_ place: String, _ count: Int) throws -> String {
        let (disk, offset) = try self.place(place)
        let bytes = try disk.request { try $0.bytes(at: offset, count: 512) }.prefix(count).prefix { $0 != 0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func load() -> [String: String] {
        let text = machine.state.withLock { state in
            Array(state.memory[Self.variables..<Self.variables + Self.room].prefix { $0 != 0 })
        }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        return Dictionary(
            lines.compactMap { line in
                line.firstIndex(of: "=").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
            }, uniquingKeysWith: { $1 })
    }

    private func store(_ values: [String: String]) {
        let text = values.map { "\($0)=\($1)\n" }.sorted().joined()
        let bytes = Array(text.utf8.prefix(Self.room - 1)) + [0]
        machine.state.withLock { state in
            state.memory.replaceSubrange(Self.variables..<Self.variables + bytes.count, with: bytes)
            let pages = Self.variables / PageRun.pageSize..<(Self.variables + Self.room) / PageRun.pageSize
            state.written.formUnion(pages)
        }
    }
}
