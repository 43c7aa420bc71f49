// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// What a run leaves is what the store's layout says, for readers that others wrote.
///
/// ```
///   (origin) ─► clean ─┬─► other
///                      └─► now
/// ```
@Suite(.serialized) struct ConformanceTests {
    static let pages = ["clean": "hello", "other": "another path"]

    @Test(arguments: MachineDefinition.Disk.Format.allCases)
    func `a run's folder and disks are as the layout says, byte for byte`(
        format: MachineDefinition.Disk.Format
    ) async throws {
        let place = try TemporaryFolder()
        let lab = place.appending("lab")
        let recipe = place.appending("two-branches.json")
        try Self.recipe(guest: TinyGuest.find().folder, format).write(
            toFile: recipe.string, atomically: true, encoding: .utf8)
        let store = ["--store", lab.string, "--json"]
        let run = try await BuiltProgram.run("fermata", ["run", recipe.string] + store)
        try #require(run.code == 0, "\(run.lines.suffix(3)) \(run.messages)")

        let before = StoreFingerprint(of: lab)
        let machine = try await BuiltProgram.run("fermata", ["vm", "show", "web"] + store).json
        var checkpoints: [JSON] = []
        for name in Self.pages.keys.sorted() {
            checkpoints.append(
                try await BuiltProgram.run("fermata", ["checkpoint", "show", "web", name] + store).json)
        }
        let layout = try ExpectedLayout(lab: lab, machine: machine, checkpoints: checkpoints, format)
        #expect(layout.differences == [])
        try await expectConfigurations(layout)
        for checkpoint in checkpoints {
            let name = try #require(checkpoint["name"]?.text)
            try await expectDisk(checkpoint, in: place, holds: Self.pages[name] ?? "", name)
        }
        try await expectDisk(machine, in: place, holds: "hello", "now")
        #expect(before.changes(to: StoreFingerprint(of: lab)) == [])
        try await expectTheSame(afterRunning: recipe, store: store, lab: lab, format)
    }

    /// The same recipe again: every identity is new, the layout the same.
    private func expectTheSame(
        afterRunning recipe: FilePath, store: [String], lab: FilePath, _ format: MachineDefinition.Disk.Format
    ) async throws {
        let run = try await BuiltProgram.run("fermata", ["run", recipe.string] + store)
        #expect(run.code == 0, "\(run.lines.suffix(3)) \(run.messages)")
        let machine = try await BuiltProgram.run("fermata", ["vm", "show", "web"] + store).json
        var checkpoints: [JSON] = []
        for name in Self.pages.keys.sorted() {
            checkpoints.append(
                try await BuiltProgram.run("fermata", ["checkpoint", "show", "web", name] + store).json)
        }
        #expect(try ExpectedLayout(lab: lab, machine: machine, checkpoints: checkpoints, format).differences == [])
    }

    /// What 7-Zip makes of a chain is what `disk serve` gives to nbdcopy, and holds the page that the guest wrote.
    private func expectDisk(
        _ document: JSON, in place: TemporaryFolder, holds page: String, _ comment: String
    ) async throws {
        let disk = try #require(document["disks"]?.elements.first)
        let chain = disk.paths("chain")
        let folder = try place.makeFolder("flat \(comment)")
        for path in chain {
            let name = path.lastComponent?.string ?? ""
            // 7-Zip takes the path that a VHDX's child has of its parent as a file's name.
            let isFar = path == chain.last && path.extension == "vhdx"
            for link in isFar ? [name, "..\\..\\\(name)"] : [name] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(folder)/\(link)", withDestinationPath: path.string)
            }
        }
        let leaf = try #require(chain.first)
        let outside = place.appending("\(comment).7z.raw")
        let unpacked = try await Tool("7zz").run(
            [
                "e", "-so", "-t\(chain.last?.extension ?? "")",
                folder.appending(leaf.lastComponent?.string ?? "").string,
            ], outputTo: outside)
        #expect(unpacked.code == 0, "\(unpacked.messages) \(comment)")

        let served = place.appending("\(comment).served.raw")
        let socket = place.appending("\(chain.count)-\(comment).socket")
        let (uris, uri) = AsyncStream.makeStream(of: String.self)
        let server = try BuiltProgram(
            "fermata", ["disk", "serve", leaf.string, "--socket", socket.string, "--read-only"]
        ) { _, line in uri.yield(line) }
        for await line in uris {
            let copied = try await Tool("nbdcopy").run([line, served.string])
            #expect(copied.code == 0, "\(copied.messages) \(comment)")
            break
        }
        server.terminate()
        #expect(try await server.result().code == 0, "\(comment)")

        let bytes = try #require(FileManager.default.contents(atPath: outside.string))
        try #require(bytes.count == 64 << 20, "\(comment)")
        #expect(bytes == FileManager.default.contents(atPath: served.string), "\(comment)")
        #expect(bytes.starts(with: Data("<h1>\(page)</h1>\n".utf8)), "\(comment)")
        #expect(bytes[(32 << 20)...].starts(with: Data("far \(page)\n".utf8)), "\(comment)")
    }

    /// A program of others finds in each configuration what the layout says.
    private func expectConfigurations(_ layout: ExpectedLayout) async throws {
        for (path, facts) in layout.configurations {
            let result = try await Tool("python3").run(["-c", Self.reader, path.string])
            try #require(result.code == 0, "\(result.messages)")
            let found = try JSON(parsing: result.output)
            #expect(found == facts, "\(path)")
        }
    }

    /// Reads a configuration as a consumer of Hyper-V's would, and fails on a leaf whose text is not of its type.
    static let reader = #"""
        import base64, json, re, sys, xml.etree.ElementTree as tree
        root = tree.parse(sys.argv[1]).getroot()
        assert root.tag == "configuration", root.tag
        shapes = {"string": r"(?s).*", "integer": r"-?\d+", "bool": r"True|False", "bytes": r"[A-Za-z0-9+/=]*"}
        for leaf in root.iter():
            if len(leaf) == 0 and leaf.get("type") is None and leaf.tag != "fermata": sys.exit("no type: " + leaf.tag)
            if leaf.get("type"): assert re.fullmatch(shapes[leaf.get("type")], leaf.text or ""), leaf.tag
        assert len(base64.b64decode(root.findtext("properties/creation_time"))) == 8
        ide = "83f8638b-8dca-4152-9eda-2ca8b33039b4"
        vdev = root.find("manifest/vdev001")
        assert vdev.findtext("device") == ide and vdev.findtext("instance") == ide
        assert root.findtext("manifest/size") == "1"
        drive = root.find("_" + ide + "_/controller0/drive0")
        assert drive.findtext("type") == "VHD"
        assert root.find("properties/notes") is not None
        print(json.dumps({"id": root.findtext("properties/global_id"), "name": root.findtext("properties/name"),
            "memory": int(root.findtext("settings/memory/bank/size")),
            "processors": int(root.findtext("settings/processors/count")),
            "disk": drive.findtext("pathname")}))
        """#

    static func recipe(guest: FilePath, _ format: MachineDefinition.Disk.Format = .vhd) -> String {
        func write(_ page: String) -> [String] {
            [
                "echo '<h1>\(page)</h1>' | dd of=/dev/vda bs=4096 conv=sync,fsync",
                "echo 'far \(page)' | dd of=/dev/vda bs=1M seek=32 conv=sync,fsync",
            ]
        }
        func run(_ lines: [String]) -> [JSON] { lines.map { ["do": "Run", "machine": "web", "shell": .string($0)] } }
        let steps: [JSON] =
            [
                ["do": "Start", "machine": "web"],
                [
                    "do": "WaitForConsole", "machine": "web", "text": "fermata tiny guest ready", "within": 300_000,
                ],
            ] + run(write("hello")) + [["do": "Checkpoint", "machine": "web", "checkpoint": "clean"]]
            + run(write("wrecked")) + [["do": "Revert", "machine": "web"]]
            + run(write("another path")) + [["do": "Checkpoint", "machine": "web", "checkpoint": "other"]]
            + run(write("lost")) + [["do": "Apply", "machine": "web", "checkpoint": "clean"]]
        let boot: JSON = [
            "kernel": .string(guest.appending("vmlinuz").string),
            "initrd": .string(guest.appending("initrd.gz").string), "arguments": .string(TinyGuest.arguments),
        ]
        let web: JSON = [
            "name": "web", "memory": .integer(192 << 20), "processors": 1, "boot": boot,
            "disks": [["name": "system", "size": .integer(64 << 20), "format": .string(format.rawValue)]],
        ]
        let recipe: JSON = [
            "format": "fermata-recipe", "version": 1, "name": "two-branches", "machines": [web],
            "steps": .array(steps),
        ]
        return recipe.pretty
    }
}
