// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage

/// The files of a lab with one machine of one disk, as its documents tell them, each with its mode.
///
/// The origin is on disk like any other checkpoint, but no document names it: it is the one that is left.
struct ExpectedLayout {
    /// What is there and should not be, or should be and is not.
    private(set) var differences: [String] = []
    /// The configurations, and what a reader finds in each.
    private(set) var configurations: [FilePath: JSON] = [:]

    init(
        lab: FilePath, machine: JSON, checkpoints: [JSON], _ format: MachineDefinition.Disk.Format
    ) throws {
        let found = try Self.found(in: lab)
        var expected = Self.folders([".", "Boot", "Lab Checkpoints", ".journal", ".cache", ".trash"])
        expected["store.json"] = "600"
        for key in ["kernel", "initrd"] {
            guard let path = machine["boot"]?[key]?.text else { continue }
            expected["Boot/\(FilePath(path).lastComponent?.string ?? "")"] = "600"
        }
        let name = machine["name"]?.text ?? ""
        let id = machine["id"]?.text ?? ""
        let snapshots = "\(name)/Snapshots"
        expected.merge(
            Self.folders([
                name, "\(name)/Virtual Machines", "\(name)/Virtual Machines/\(id)", snapshots, "\(snapshots)/\(id)",
            ])
        ) { $1 }
        expected["\(name)/Virtual Machines/\(id).xml"] = "600"
        expected["\(name)/\(name).\(format.rawValue)"] = "600"
        let prefix = lab.string + "/"
        for document in [machine] + checkpoints {
            for path in document["disks"]?.elements.flatMap({ $0.paths("chain") }) ?? [] {
                expected[path.string.hasPrefix(prefix) ? String(path.string.dropFirst(prefix.count)) : path.string] =
                    "600"
            }
        }
        for checkpoint in checkpoints {
            let own = "\(snapshots)/\(checkpoint["id"]?.text ?? "")"
            expected["\(own).xml"] = "600"
            expected[own] = "700"
            for kind in ["bin", "vsv"] { expected["\(own)/\(checkpoint["id"]?.text ?? "").\(kind)"] = "600" }
            // Made when it is first applied.
            let image = ".cache/\(checkpoint["id"]?.text ?? "").flat"
            for file in [image, "\(image).made"] where found[image] != nil { expected[file] = "600" }
        }
        for kind in ["console", "log"] { expected[".cache/\(id).\(kind)"] = "600" }
        expected[".cache/zero-192M.flat"] = "600"

        let origins = found.keys.filter {
            expected[$0] == nil && $0.hasPrefix(snapshots + "/") && $0.hasSuffix(".xml") && found[$0] == "600"
        }
        if origins.count == 1, let origin = origins.first {
            expected[origin] = "600"
            expected[String(origin.dropLast(4))] = "700"
        }
        differences = Set(expected.keys).union(found.keys).sorted().filter { expected[$0] != found[$0] }
            .map { "\($0): expected \(expected[$0] ?? "nothing"), found \(found[$0] ?? "nothing")" }
        let all =
            [("\(name)/Virtual Machines/\(id).xml", machine)]
            + checkpoints.map { ("\(snapshots)/\($0["id"]?.text ?? "").xml", $0) }
        for (path, document) in all {
            configurations[lab.appending(path)] = [
                "id": .string(id), "name": document["name"] ?? .null, "memory": 192, "processors": 1,
                "disk": document["disks"]?.elements.first?["path"] ?? .null,
            ]
        }
    }

    private static func folders(_ names: [String]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: names.map { ($0, "700") })
    }

    /// Every name beneath a folder with its mode, and what boot files are by content.
    private static func found(in lab: FilePath) throws -> [String: String] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: lab.string) + ["."]
        return names.reduce(into: [:]) { found, name in
            var status = stat()
            guard unsafe lab.appending(name).withPlatformString({ unsafe lstat($0, &status) }) == 0 else { return }
            found[name] = String(status.st_mode & 0o7777, radix: 8)
        }
    }
}
