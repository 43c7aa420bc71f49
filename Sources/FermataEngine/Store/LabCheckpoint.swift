// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import FoundationXML
import SystemPackage

/// A checkpoint of several machines at one moment; it exists, and with it each machine's, once its file does.
///
/// ```
/// lab_checkpoint
///  ├─ properties   creation_time (bytes, FILETIME)  global_id  name  notes  version
///  ├─ members      member0 { checkpoint  machine  name }  …
///  └─ owner        recipe  definition
/// ```
public struct LabCheckpoint: Hashable, Sendable {
    /// Its identity.
    public var id: GUID
    /// Its name, which each machine's checkpoint has, too, unless that was given one of its own.
    public var name: CheckpointName
    /// When it was made, in milliseconds since 1970 UTC.
    public var created: Int64
    /// The author's notes.
    public var notes: String?
    /// The recipe that made it, if one did.
    public var owner: RecipeOwnership?
    /// The machines, in the order of their names then.
    public var members: [Member]

    /// A machine that a lab's checkpoint holds.
    public struct Member: Hashable, Sendable {
        /// The machine's identity.
        public var machine: GUID
        /// The name that it had.
        public var name: MachineName
        /// The machine's own checkpoint.
        public var checkpoint: GUID

        /// Makes a member's description.
        public init(machine: GUID, name: MachineName, checkpoint: GUID) {
            self.machine = machine
            self.name = name
            self.checkpoint = checkpoint
        }
    }

    /// Reads the file of a lab's checkpoint.
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

    init(
        id: GUID, name: CheckpointName, created: Int64, notes: String?, owner: RecipeOwnership?, members: [Member]
    ) {
        self.id = id
        self.name = name
        self.created = created
        self.notes = notes
        self.owner = owner
        self.members = members
    }

    private init(_ root: ElementTree) throws(ValueError) {
        guard root.name == "lab_checkpoint" else {
            throw ValueError("expected the root element 'lab_checkpoint', found '\(root.name)'")
        }
        if let version = root.text("properties", "version"), version != "1" {
            throw ValueError("properties/version: expected 1, found '\(version)'; a newer Fermata wrote this file")
        }
        id = try Self.identity(root.text("properties", "global_id"), "properties/global_id")
        name = CheckpointName(root.text("properties", "name") ?? "")
        notes = root.text("properties", "notes")
        let time = root.text("properties", "creation_time") ?? ""
        guard let created = Configuration.milliseconds(fileTime: time) else {
            throw ValueError("properties/creation_time: expected eight bytes in Base64, found '\(time)'")
        }
        self.created = created
        owner = root["owner"].map {
            RecipeOwnership(recipe: $0.text("recipe") ?? "", definition: $0.text("definition") ?? "")
        }
        members = []
        while let member = root["members"]?["member\(members.count)"] {
            let field = "members/member\(members.count)"
            members.append(
                Member(
                    machine: try Self.identity(member.text("machine"), "\(field)/machine"),
                    name: MachineName(member.text("name") ?? ""),
                    checkpoint: try Self.identity(member.text("checkpoint"), "\(field)/checkpoint")))
        }
        guard !members.isEmpty else { throw ValueError("members/member0: expected a machine, found none") }
    }

    /// The text of the file, known to read back as the same checkpoint.
    func file() throws(EngineError) -> [UInt8] {
        let root = XMLElement(name: "lab_checkpoint")
        root.group("properties") {
            $0.leaf("creation_time", "bytes", Configuration.fileTime(milliseconds: created))
            $0.leaf("global_id", "string", id.description)
            $0.leaf("name", "string", name.description)
            $0.leaf("notes", "string", notes ?? "")
            $0.leaf("version", "integer", "1")
        }
        root.group("members") { element in
            for (index, member) in members.enumerated() {
                element.group("member\(index)") {
                    $0.leaf("checkpoint", "string", member.checkpoint.description)
                    $0.leaf("machine", "string", member.machine.description)
                    $0.leaf("name", "string", member.name.description)
                }
            }
        }
        if let owner {
            root.group("owner") {
                $0.leaf("recipe", "string", owner.recipe)
                $0.leaf("definition", "string", owner.definition)
            }
        }
        let bytes = root.documentBytes
        guard bytes.count <= Configuration.sizeLimit, let tree = try? ElementTree(parsing: bytes),
            let read = try? LabCheckpoint(tree), read == self
        else {
            throw EngineError(
                .wrongState,
                "the lab checkpoint '\(name)' has a text that its file cannot hold; leave control characters and very "
                    + "long texts out of names and notes")
        }
        return bytes
    }

    private static func identity(_ text: String?, _ field: String) throws(ValueError) -> GUID {
        guard let identity = GUID(text ?? "") else {
            throw ValueError("\(field): expected a GUID, found '\(text ?? "")'")
        }
        return identity
    }
}

extension LabFolder {
    /// The file of a checkpoint of several machines: its commit.
    func labCheckpoint(_ id: GUID) -> FilePath { labCheckpoints.appending("\(id).xml") }
}

extension LabCheckpoint {
    /// Leaves out the checkpoints of a machine whose lab's checkpoint does not exist, and gives the others its name.
    static func settle(_ checkpoints: inout [GUID: Configuration], in lab: LabFolder) {
        for id in Set(checkpoints.values.compactMap { $0.checkpoint?.labCheckpoint }) {
            let file = lab.labCheckpoint(id)
            let exists = FileSystem.exists(file)
            // Where the file cannot be read, they have the names that they were made with.
            let name = exists ? (try? LabCheckpoint(reading: file))?.name.description : nil
            for (member, configuration) in checkpoints where configuration.checkpoint?.labCheckpoint == id {
                guard exists else {
                    checkpoints[member] = nil
                    continue
                }
                if let name, configuration.checkpoint?.hasOwnName == false { checkpoints[member]?.name = name }
            }
        }
    }
}
