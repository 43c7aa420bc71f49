// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import SystemPackage

/// The folder of a lab, and where everything in it lies.
///
/// ```
/// <lab>/  store.json            the store's format version
///         Boot/<sha256>         kernels and initial RAM disks, by content
///         Lab Checkpoints/      checkpoints of several machines
///         .journal/  .cache/
///         .trash/               what was discarded; see MachineTrash
///         <Name>/               a machine; see MachineFolder
/// ```
public struct LabFolder: Hashable, Sendable {
    /// The format that this version writes and reads.
    public static let formatVersion: Int = 1

    /// The folder itself, an absolute path.
    public let path: FilePath

    /// Names a lab's folder; nothing is read.
    public init(_ path: FilePath) {
        self.path = path
    }

    /// The file that names the store's format.
    public var storeFile: FilePath { path.appending("store.json") }
    /// The folder of boot files, named by their SHA-256.
    public var boot: FilePath { path.appending("Boot") }
    /// The folder of the checkpoints of several machines.
    public var labCheckpoints: FilePath { path.appending("Lab Checkpoints") }
    /// The folder of operations to finish.
    public var journal: FilePath { path.appending(".journal") }
    /// The folder of what can be made again.
    public var cache: FilePath { path.appending(".cache") }
    /// The folder of what was discarded.
    public var trash: FilePath { path.appending(".trash") }

    /// The folder of a machine.
    public func machine(_ name: MachineName) -> MachineFolder {
        MachineFolder(lab: self, name: name)
    }

    /// The flat memory image of a checkpoint, which can be made again from its `.bin`.
    public func flatImage(_ checkpoint: GUID) -> FilePath { cache.appending("\(checkpoint).flat") }

    /// What a machine's guest wrote on its console.
    public func consoleLog(_ machine: GUID) -> FilePath { cache.appending("\(machine).console") }

    /// What a machine's process wrote as messages.
    public func processLog(_ machine: GUID) -> FilePath { cache.appending("\(machine).log") }

    /// What the process that hosts a machine wrote as messages.
    public func hostLog(_ machine: GUID) -> FilePath { cache.appending("\(machine).host.log") }

    /// The machines, in the order of their names: every folder with a `Virtual Machines` folder inside.
    public func machines() throws(EngineError) -> [MachineFolder] {
        try FileSystem.entries(of: path)
            .map { machine(MachineName($0)) }
            .filter { $0.name.problem == nil && FileSystem.exists($0.virtualMachines) }
            .sorted { $0.name < $1.name }
    }
}

/// The folder of a machine, and where everything in it lies.
///
/// ```
/// <Name>/  <Name>.vhd                  the first disk (others: <Name>-<disk>.vhd)
///          Virtual Machines/
///            <VMGUID>.xml              the configuration; names the disk that takes writes now
///            <VMGUID>/                 memory and devices when the machine is saved
///          Snapshots/
///            <VMGUID>/<GUID>.avhd      every differencing disk of the machine, .avhdx if it grew from a VHDX
///            <CPGUID>.xml              the configuration as it was at that checkpoint
///            <CPGUID>/                 <CPGUID>.bin memory, <CPGUID>.vsv devices; empty when it was off
/// ```
public struct MachineFolder: Hashable, Sendable {
    /// The lab that it belongs to.
    public let lab: LabFolder
    /// The machine's name, which is the folder's.
    public let name: MachineName
    /// What the folder is called in the lab's trash; nil for a machine that exists.
    public let discarded: String?

    /// Names the folder of a machine that exists, or of one that was deleted and can come back.
    init(lab: LabFolder, name: MachineName, discarded: String? = nil) {
        self.lab = lab
        self.name = name
        self.discarded = discarded
    }

    /// The folder itself.
    public var path: FilePath { discarded.map { lab.trash.appending($0) } ?? lab.path.appending(name.description) }
    /// The folder of the configuration.
    public var virtualMachines: FilePath { path.appending("Virtual Machines") }
    /// The folder of checkpoints and differencing disks.
    public var snapshots: FilePath { path.appending("Snapshots") }

    /// The configuration's file.
    public func configuration(of id: GUID) -> FilePath { virtualMachines.appending("\(id).xml") }
    /// The folder of a saved machine's memory.
    public func savedFolder(of id: GUID) -> FilePath { virtualMachines.appending("\(id)") }
    /// The folder of differencing disks.
    public func differencingDisks(of id: GUID) -> FilePath { snapshots.appending("\(id)") }
    /// A checkpoint's configuration file: its commit.
    public func checkpoint(_ id: GUID) -> FilePath { snapshots.appending("\(id).xml") }
    /// The folder of a checkpoint's memory.
    public func memoryFolder(_ id: GUID) -> FilePath { snapshots.appending("\(id)") }
    /// A checkpoint's memory image.
    public func memoryImage(_ id: GUID) -> FilePath { memoryFolder(id).appending("\(id).bin") }
    /// A checkpoint's device state.
    public func deviceState(_ id: GUID) -> FilePath { memoryFolder(id).appending("\(id).vsv") }
    /// The flat memory image of a checkpoint, which can be made again from its `.bin`.
    public func flatImage(_ id: GUID) -> FilePath { lab.flatImage(id) }

    /// The file of a disk that has no parent.
    ///
    /// - Parameter isFirst: the first disk has the machine's name alone.
    public func baseDisk(_ disk: String, isFirst: Bool, fileExtension: String) -> FilePath {
        path.appending(isFirst ? "\(name).\(fileExtension)" : "\(name)-\(disk).\(fileExtension)")
    }

    /// The identity of the machine: the name of its one configuration file.
    public func identity() throws(EngineError) -> GUID {
        let identities = try FileSystem.entries(of: virtualMachines)
            .filter { $0.hasSuffix(".xml") }
            .compactMap { GUID($0.dropLast(4)) }
        guard let identity = identities.first, identities.count == 1 else {
            throw EngineError(
                .damaged,
                "\(virtualMachines): expected one configuration file named by a GUID, found \(identities.count)")
        }
        return identity
    }

    /// The identities of all checkpoint files, in no order.
    public func checkpointFiles() throws(EngineError) -> [GUID] {
        guard FileSystem.exists(snapshots) else { return [] }
        return try FileSystem.entries(of: snapshots).filter { $0.hasSuffix(".xml") }.compactMap { GUID($0.dropLast(4)) }
    }
}
