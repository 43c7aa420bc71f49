// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import SystemPackage
import Testing

@Suite struct DoctorCommandTests {
    @Test func `what is wrong is told with what mends it, mended when asked, and told by the exit code`() async throws {
        let folder = try TestFolder()
        let store = ["--store", "lab"]
        #expect(
            try await Program.fermata.run(["vm", "create", "web", "--disk", "1M"] + store, in: folder.path).code == 0)
        let lab = folder.path.appending("lab").string
        let good = try await Program.fermata.run(["doctor"] + store, in: folder.path)
        #expect(good.code == 0 && good.output == "\(lab): everything is as it should be\n", "\(good)")
        #expect(try await Program.fermata.run(["doctor", "--json"] + store, in: folder.path).json["ok"] == true)

        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(lab)/web")
        try Data().write(to: URL(fileURLWithPath: "\(lab)/.x.new"))
        let before = try folder.contents()
        let bad = try await Program.fermata.run(["doctor"] + store, in: folder.path)
        #expect(bad.code == 1)
        #expect(
            bad.output == """
                shared  \(lab)/web: others can reach it: expected no mode for group and others, found 755
                  to mend it: chmod go= \(lab)/web
                leftover  \(lab)/.x.new: an operation that was cut off left this
                  to mend it: fermata doctor --fix

                """)
        #expect(bad.messages == "fermata: error: 2 things are not as they should be\n")
        let document = try await Program.fermata.run(["doctor", "--json"] + store, in: folder.path).json
        #expect(document["format"] == "fermata-doctor" && document["ok"] == false)
        let problem = try #require(document["problems"]?.elements.first)
        #expect(problem["code"] == "shared" && problem["path"] == .string("\(lab)/web") && problem["fixable"] == true)
        #expect(try folder.contents() == before)

        let mended = try await Program.fermata.run(["doctor", "--fix", "--json"] + store, in: folder.path)
        #expect(mended.code == 0)
        #expect(try mended.json["mended"]?.elements.count == 2)
        #expect(try await Program.fermata.run(["doctor"] + store, in: folder.path).code == 0)

        try FileManager.default.removeItem(atPath: "\(lab)/web/web.vhd")
        let lost = try await Program.fermata.run(["doctor", "--fix"] + store, in: folder.path)
        #expect(lost.code == 1 && lost.output.hasPrefix("disk-missing  \(lab)/web: "), "\(lost)")
        #expect(lost.messages == "fermata: error: 1 thing is not as it should be\n")
        #expect(try await folder.fermata("doctor", "--store", "nowhere").code == 2)
    }
}
