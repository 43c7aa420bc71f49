// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct DiskCompactTests {
    @Test(arguments: ["vhd", "vhdx"])
    func `a disk and its child are compacted and read as before`(_ format: String) async throws {
        let folder = try TestFolder()
        let path = folder.path.string
        let bytes = Data(SeededGenerator.some(5 << 20) + [UInt8](repeating: 0, count: 3 << 20))
        try bytes.write(to: URL(fileURLWithPath: "\(path)/in.raw"))
        #expect(try await folder.fermata("disk", "convert", "in.raw", "a.\(format)").code == 0)
        #expect(try await folder.fermata("disk", "create", "b.\(format)", "--parent", "a.\(format)").code == 0)
        let dense = try await folder.fermata("disk", "compact", "a.\(format)", "--json")
        #expect(try dense.code == 0 && dense.json["removedBlocks"] == .integer(0), "\(dense)")
        // A disk that is being served is left alone; what was written to it equals the parent afterwards.
        let tool = Tool("nbdcopy")
        if tool.isInstalled {
            try await DiskTests().serving("b.\(format)", in: folder) { uri in
                #expect(try await tool.run(["--flush", "\(path)/in.raw", uri]).code == 0)
                let busy = try await folder.fermata("disk", "compact", "b.\(format)")
                #expect(busy.code == 1 && busy.messages.contains("another command is changing the disk"), "\(busy)")
            }
            let result = try await folder.fermata("disk", "compact", "b.\(format)", "--json")
            #expect(try result.code == 0 && result.json["removedBlocks"] == .integer(3), "\(result)")
        }
        for disk in ["a.\(format)", "b.\(format)"] {
            let same = try await folder.fermata("disk", "diff", "in.raw", disk)
            #expect(same.code == 0 && same.output == "the disks are alike\n", "\(same)")
            let info = try await folder.fermata("disk", "info", disk)
            #expect(info.code == 0 && info.messages.isEmpty, "\(info)")
        }
        #expect(try await folder.fermata("disk", "create", "f.\(format)", "--size", "1M", "--fixed").code == 0)
        let fixed = try await folder.fermata("disk", "compact", "f.\(format)")
        #expect(fixed.code == 2 && fixed.lines.count == 1 && fixed.messages.contains("convert it"), "\(fixed)")
    }

    @Test func `a checkpoint's disk is compacted while its machine is off`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let base = folder.path.appending(".fermata/web/web.vhd").string
        let result = try await folder.fermata("disk", "compact", base, "--json")
        #expect(try result.code == 0 && result.json["path"] == .string(base), "\(result)")
        #expect(try await folder.fermata("run", "still.lua").code == 0)
    }
}
