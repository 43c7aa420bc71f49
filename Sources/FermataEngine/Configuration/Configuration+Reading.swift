// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage
import VirtualDisk

extension Configuration {
    /// No configuration is larger.
    static let sizeLimit = 1 << 20

    /// Reads a configuration's file.
    ///
    /// - Throws: ``EngineError/Code/damaged`` with the path, the field, what was expected and what was found.
    init(reading path: FilePath) throws(EngineError) {
        let bytes = try FileSystem.read(path, limit: Configuration.sizeLimit)
        do {
            try self.init(ElementTree(parsing: bytes))
        } catch {
            throw EngineError(.damaged, "\(path): \(error)", underlying: error)
        }
    }

    /// The text of the configuration's file, known to read back as the same configuration.
    ///
    /// - Throws: ``EngineError/Code/wrongState`` when a text of it cannot be held by XML.
    func file() throws(EngineError) -> [UInt8] {
        let bytes = xml()
        guard bytes.count <= Configuration.sizeLimit, let tree = try? ElementTree(parsing: bytes),
            let read = try? Configuration(tree), read == self
        else {
            throw EngineError(
                .wrongState,
                "the configuration of '\(name)' holds a text that its file cannot hold; leave control characters and "
                    + "very long texts out of names, notes and arguments")
        }
        return bytes
    }

    init(_ root: ElementTree) throws(ValueError) {
        guard root.name == "configuration" else {
            throw ValueError("expected the root element 'configuration', found '\(root.name)'")
        }
        machine = try Configuration.identity(root.text("properties", "global_id"), "properties/global_id")
        name = root.text("properties", "name") ?? ""
        notes = root.text("properties", "notes")
        let time = root.text("properties", "creation_time") ?? ""
        guard let milliseconds = Configuration.milliseconds(fileTime: time) else {
            throw ValueError("properties/creation_time: expected eight bytes in Base64, found '\(time)'")
        }
        created = milliseconds
        let mebibytes = try Configuration.number(
            root.text("settings", "memory", "bank", "size"), "settings/memory/bank/size", in: 1...(1 << 24))
        memory = UInt64(mebibytes) << 20
        processors = try Configuration.number(
            root.text("settings", "processors", "count"), "settings/processors/count", in: 1...1024)
        let own = root["fermata"]
        if let version = own?.text("version"), version != "1" {
            throw ValueError("fermata/version: expected 1, found '\(version)'; a newer Fermata wrote this file")
        }
        disks = Configuration.drives(root).enumerated().map { index, path in
            Disk(name: own?.text("disk\(index)") ?? "disk\(index)", path: path)
        }
        boot = try own?["boot"].map { element throws(ValueError) in
            Boot(
                kernel: try Configuration.digest(element.text("kernel"), "fermata/boot/kernel"),
                initrd: try element.text("initrd").map { text throws(ValueError) in
                    try Configuration.digest(text, "fermata/boot/initrd")
                },
                arguments: element.text("arguments") ?? "")
        }
        devices = Devices(
            hasEntropy: own?.text("entropy") == "True",
            networkAddress: try own?["network"].map { element throws(ValueError) in
                let address = element.text("address") ?? ""
                guard Devices.isAddress(address) else {
                    throw ValueError(
                        "fermata/network/address: expected six bytes such as 52:54:00:12:34:56, found '\(address)'")
                }
                return address
            })
        let clock = own?.text("clock") ?? ClockPolicy.continue.rawValue
        guard let policy = ClockPolicy(rawValue: clock) else {
            throw ValueError("fermata/clock: expected continue or host, found '\(clock)'")
        }
        self.clock = policy
        let checkpoints = own?.text("checkpoints")
        guard checkpoints == nil || checkpoints == Configuration.forbidden else {
            throw ValueError("fermata/checkpoints: expected forbidden or nothing, found '\(checkpoints ?? "")'")
        }
        allowsCheckpoints = checkpoints == nil
        ancestors = []
        while let text = own?.text("ancestor\(ancestors.count)") {
            ancestors.append(try Configuration.identity(text, "fermata/ancestor\(ancestors.count)"))
        }
        owner = own?["owner"].map {
            RecipeOwnership(recipe: $0.text("recipe") ?? "", definition: $0.text("definition") ?? "")
        }
        digests = try own?["digests"].map { element throws(ValueError) in
            var digests: [ContentDigest] = []
            for index in disks.indices {
                let text = element.text("disk\(index)") ?? ""
                guard let digest = ContentDigest(text) else {
                    throw ValueError(
                        "fermata/digests/disk\(index): expected 64 hexadecimal digits, found '\(text)'")
                }
                digests.append(digest)
            }
            return digests
        }
        saved = try own?["saved"].map { element throws(ValueError) in
            if let moment = element.text("moment") {
                return .own(moment: try Configuration.identity(moment, "fermata/saved/moment"))
            }
            return .checkpoint(try Configuration.identity(element.text("checkpoint"), "fermata/saved/checkpoint"))
        }
        checkpoint = try own?["checkpoint"].map { element throws(ValueError) in
            let kind = element.text("kind") ?? ""
            guard let known = CheckpointTree.Checkpoint.Kind(rawValue: kind) else {
                throw ValueError("fermata/checkpoint/kind: expected standard, production or disk-only, found '\(kind)'")
            }
            return Checkpoint(
                kind: known, state: try Configuration.state(element),
                moment: try element.text("moment").map { text throws(ValueError) in
                    try Configuration.identity(text, "fermata/checkpoint/moment")
                }, isOrigin: element.text("origin") == "True",
                supersedes: try element.text("supersedes").map { text throws(ValueError) in
                    try Configuration.identity(text, "fermata/checkpoint/supersedes")
                },
                labCheckpoint: try element.text("lab_checkpoint").map { text throws(ValueError) in
                    try Configuration.identity(text, "fermata/checkpoint/lab_checkpoint")
                }, hasOwnName: element.text("own_name") == "True")
        }
    }

    /// The path names of all drives, in the order of controllers and drives.
    private static func drives(_ root: ElementTree) -> [String] {
        var paths: [String] = []
        for controllerType in [ideController, scsiController] {
            guard let instance = root["_\(controllerType)_"] else { continue }
            for controller in 0..<4 {
                guard let element = instance["controller\(controller)"] else { continue }
                for drive in 0..<64 {
                    if let path = element.text("drive\(drive)", "pathname") { paths.append(path) }
                }
            }
        }
        return paths
    }

    /// What a machine was doing at a checkpoint; a file that does not say it has memory of a running one, or none.
    private static func state(_ checkpoint: ElementTree) throws(ValueError) -> MachineState {
        let hasMemory = checkpoint.text("memory") == "True"
        guard let text = checkpoint.text("state") else { return hasMemory ? .running : .off }
        guard let state = MachineState(rawValue: text), (state != .off) == hasMemory else {
            throw ValueError(
                "fermata/checkpoint/state: expected \(hasMemory ? "running, paused or saved" : "off"), found '\(text)'")
        }
        return state
    }

    private static func identity(_ text: String?, _ field: String) throws(ValueError) -> GUID {
        guard let identity = GUID(text ?? "") else {
            throw ValueError("\(field): expected a GUID, found '\(text ?? "")'")
        }
        return identity
    }

    private static func number(
        _ text: String?, _ field: String, in range: ClosedRange<Int>
    ) throws(ValueError) -> Int {
        guard let number = Int(text ?? ""), range.contains(number) else {
            throw ValueError(
                "\(field): expected a number from \(range.lowerBound) to \(range.upperBound), found '\(text ?? "")'")
        }
        return number
    }

    private static func digest(_ text: String?, _ field: String) throws(ValueError) -> String {
        let text = text ?? ""
        guard text.utf8.count == 64, text.allSatisfy(\.isHexDigit) else {
            throw ValueError("\(field): expected 64 hexadecimal digits, found '\(text)'")
        }
        return text
    }
}
