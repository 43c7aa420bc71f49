// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct DiskCheckTests {
    @Test func `damage is told, repaired, and what was replaced is kept`() async throws {
        let folder = try TestFolder()
        let path = folder.path.appending("a.vhd").string
        #expect(try await folder.fermata("disk", "create", "a.vhd", "--size", "8M").code == 0)
        let good = try await folder.fermata("disk", "check", "a.vhd", "--json")
        #expect(good.code == 0 && good.messages.isEmpty)
        let document = try good.json
        #expect(document["ok"] == .bool(true) && document["problems"] == [] && document["path"] == .string(path))
        let original = try #require(FileManager.default.contents(atPath: path))
        var bytes = original
        bytes.replaceSubrange(bytes.count - 400..<bytes.count - 380, with: Data(repeating: 9, count: 20))
        try bytes.write(to: URL(fileURLWithPath: path))
        let bad = try await folder.fermata("disk", "check", "a.vhd", "--json")
        #expect(bad.code == 1)
        #expect(bad.messages == "fermata: error: 'a.vhd' is damaged; --repair repairs what can be\n")
        let problem = try #require(try bad.json["problems"]?.elements.first)
        #expect(problem["code"] == "footer-damaged" && problem["repairable"] == .bool(true))
        #expect(FileManager.default.contents(atPath: path) == bytes)
        let repaired = try await folder.fermata("disk", "check", "a.vhd", "--repair", "--json")
        #expect(repaired.code == 0, "\(repaired)")
        #expect(try repaired.json["repaired"]?.elements.count == 1)
        #expect(try repaired.json["backup"] == .string("\(path).backup-1"))
        #expect(FileManager.default.contents(atPath: path) == original)
    }

    @Test func `what cannot be repaired stays as it is`() async throws {
        let folder = try TestFolder()
        let path = folder.path.appending("a.vhd").string
        #expect(try await folder.fermata("disk", "create", "a.vhd", "--size", "8M").code == 0)
        var bytes = try #require(FileManager.default.contents(atPath: path))
        bytes[600] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        let before = try folder.contents()
        let result = try await folder.fermata("disk", "check", "a.vhd", "--repair")
        #expect(result.code == 1 && result.output.contains("header checksum"), "\(result)")
        #expect(try folder.contents() == before)
        #expect(try await folder.fermata("disk", "check", "none.vhd").code == 2)
    }
}
