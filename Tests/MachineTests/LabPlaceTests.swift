// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// A lab is its folder, wherever that lies.
@Suite(.serialized) struct LabPlaceTests {
    /// Makes a machine with a checkpoint in whose memory and on whose disk a word is, and later words since.
    private func make(_ lab: CommandLab) async throws {
        try await expect(lab, try CommandLab.create("web"))
        try await expect(lab, "vm start web")
        try await write("held", in: lab)
        try await expect(lab, "checkpoint create web held")
        try await write("later", in: lab)
    }

    private func expect(_ lab: CommandLab, _ words: [String]) async throws {
        let result = try await lab.fermata(words)
        #expect(result.code == 0 && result.messages.isEmpty, "\(words) \(result)")
    }

    private func expect(_ lab: CommandLab, _ line: String) async throws {
        try await expect(lab, line.split(separator: " ").map(String.init))
    }

    private func shell(_ line: String, in lab: CommandLab) async throws -> [String] {
        let result = try await lab.fermata(["vm", "exec", "web", "--shell", "--", line])
        #expect(result.code == 0 && result.messages.isEmpty, "\(result)")
        return result.lines
    }

    private func write(_ word: String, in lab: CommandLab) async throws {
        let line = "echo \(word) > /tmp/word; echo \(word) | dd of=/dev/vda conv=fsync 2> /dev/null"
        #expect(try await shell(line, in: lab).isEmpty)
    }

    /// What is in memory and what is on the disk.
    private func words(in lab: CommandLab) async throws -> [String] {
        try await shell("cat /tmp/word; head -n 1 /dev/vda", in: lab)
    }

    /// Nothing that a host or a process of a machine has written speaks of anything wrong.
    private func expectQuiet(_ lab: CommandLab) throws {
        let id = try lab.folder.machine("web").identity()
        for log in [lab.folder.hostLog(id), lab.folder.processLog(id)] {
            let text = try String(contentsOfFile: log.string, encoding: .utf8)
            #expect(text.isEmpty, "\(log): \(text)")
        }
    }

    private func expectPaths(_ lab: CommandLab, depth: Int) async throws {
        let show = try await lab.fermata("vm show web --json").json
        for disk in show["disks"]?.elements ?? [] {
            let chain = disk.paths("chain")
            #expect(chain.count == depth && chain.allSatisfy { $0.starts(with: lab.folder.path) }, "\(chain)")
        }
    }

    @Test func `a lab that was moved while its machine was saved works at its new place`() async throws {
        let old = try CommandLab()
        defer { old.end() }
        try await make(old)
        try await expect(old, "vm save web")
        let new = old.at("elsewhere")
        defer { new.end() }
        try FileManager.default.moveItem(atPath: old.folder.path.string, toPath: new.folder.path.string)

        #expect(try await new.state() == "saved")
        try await expectPaths(new, depth: 2)
        try await expect(new, "vm start web")
        #expect(try await words(in: new) == ["later", "later"])
        try await expect(new, "checkpoint revert web --discard")
        #expect(try await words(in: new) == ["held", "held"])
        try await expect(new, "vm turn-off web --discard")
        try await expect(new, "checkpoint apply web held --discard")
        #expect(try await words(in: new) == ["held", "held"])
        try await expect(new, "checkpoint create web next")
        try await expectPaths(new, depth: 3)
        try await expect(new, "vm turn-off web --discard")
        // What was committed there names the new place, and the old one is not made again.
        let record = try MachineRecord(reading: new.folder.machine("web"))
        #expect(record.now.disks.allSatisfy { FilePath($0.path).starts(with: new.folder.path) })
        #expect(!FileManager.default.fileExists(atPath: old.folder.path.string))
        #expect(try await old.fermata("vm show web").code == 2)
        try expectQuiet(new)
    }

    @Test func `a lab that was copied is another lab, and both run at once`() async throws {
        let original = try CommandLab()
        defer { original.end() }
        try await make(original)
        try await expect(original, "vm turn-off web --discard")
        let copy = original.at("copy")
        defer { copy.end() }
        let copied = try await Tool("cp").run(["-a", original.folder.path.string, copy.folder.path.string])
        #expect(copied.code == 0, "\(copied.messages)")

        for lab in [original, copy] { try await expect(lab, "checkpoint apply web held --discard") }
        #expect(original.sockets.count == 2)
        #expect(original.hosts.count == 1 && copy.hosts.count == 1 && original.hosts != copy.hosts)
        try await write("original", in: original)
        try await write("copy", in: copy)
        #expect(try await words(in: original) == ["original", "original"])
        #expect(try await words(in: copy) == ["copy", "copy"])
        try await expect(original, "checkpoint revert web --discard")
        #expect(try await words(in: original) == ["held", "held"])
        #expect(try await words(in: copy) == ["copy", "copy"])
        try await expect(original, "vm turn-off web --discard")
        #expect(try await copy.state() == "running")
        try await expect(copy, "checkpoint revert web --discard")
        #expect(try await words(in: copy) == ["held", "held"])
        try await expect(copy, "vm turn-off web --discard")
        for lab in [original, copy] {
            try await expectPaths(lab, depth: 2)
            try expectQuiet(lab)
        }
        #expect(original.sockets.isEmpty)
    }
}
