// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
public import SystemPackage

/// What a look at everything in a lab finds; it changes nothing, and needs no lock.
///
/// ```
///  store.json, modes, space, Boot, .cache, .journal, .trash ──┐
///  each machine: its configurations ──► their memory          ├──► findings, each with what mends it
///                        └──► their disks' chains ──► each disk file
/// ```
/// What changes while it looks, such as the disks of a machine that is in use, is looked at only as far as that allows.
/// The pages of memory and the data of disks are not read: that is `checkpoint verify`.
public struct Examination {
    /// The lab.
    public let lab: LabFolder
    /// What was found, in the order of the look.
    public private(set) var findings: [Finding] = []
    /// The configurations that could be read, those of checkpoints included.
    var configurations: [(folder: MachineFolder, configuration: Configuration)] = []

    /// Looks at a lab.
    ///
    /// - Throws: when the folder itself cannot be read; what is wrong in it is found, not thrown.
    public init(of path: FilePath) throws(EngineError) {
        lab = LabFolder(path)
        try examineStore()
        for folder in try machineFolders() + ((try? lab.deletedMachines()) ?? []) { examine(folder) }
        examineIdentities()
        examineDisks()
        examineSurroundings()
    }

    package mutating func add(_ finding: Finding) {
        if !findings.contains(where: { $0.code == finding.code && $0.path == finding.path }) {
            findings.append(finding)
        }
    }

    /// The folders that are machines', or were.
    private func machineFolders() throws(EngineError) -> [MachineFolder] {
        try FileSystem.entries(of: lab.path).sorted()
            .map { lab.machine(.init($0)) }
            .filter { $0.name.problem == nil && FileSystem.exists($0.virtualMachines) }
    }

    /// Mends what can be mended without losing anything.
    ///
    /// - Returns: the findings that are not mended, with why, where that is known.
    public func fix() -> [(finding: Finding, reason: EngineError)] {
        var failures: [(Finding, EngineError)] = []
        var done: Set<Finding.Fix> = []
        for finding in findings {
            guard let fix = finding.fix else { continue }
            let isForAll =
                switch fix {
                case .recover, .removeLeftovers: true
                case .remove, .makePrivate, .repairDisk: false
                }
            guard !isForAll || done.insert(fix).inserted else { continue }
            do throws(EngineError) { try mend(finding, fix) } catch { failures.append((finding, error)) }
        }
        return failures
    }
}
