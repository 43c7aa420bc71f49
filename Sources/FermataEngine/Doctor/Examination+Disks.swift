// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

/// The chains of all configurations, and each disk file.
extension Examination {
    /// Chains longer than this are worth a word.
    static let longChain = 128

    mutating func examineDisks() {
        var leaves: [FilePath: (folder: MachineFolder, count: Int)] = [:]
        var live: Set<FilePath> = []
        for (folder, configuration) in configurations {
            for disk in configuration.disks {
                do throws(EngineError) {
                    let path = try DiskFiles.path(of: disk, machine: configuration.machine, in: folder)
                    leaves[path] = (folder, (leaves[path]?.count ?? 0) + 1)
                    if configuration.checkpoint == nil, folder.isInUse { live.insert(path) }
                } catch {
                    add(
                        Finding(
                            "disk-missing", folder.path, Self.rest(of: error, folder.path),
                            remedy: "put the file back; without it that state of the machine is lost"))
                }
            }
        }
        var isWhole = !findings.contains { Self.hidesConfigurations.contains($0.code) || $0.code == "disk-missing" }
        var chains: [(machine: MachineFolder, files: [FilePath])] = []
        var identities: [FilePath: DiskIdentity] = [:]
        for (leaf, owner) in leaves.sorted(by: { $0.key.string < $1.key.string }) {
            if let chain = examineChain(leaf, of: owner.folder) {
                chains += Array(repeating: (owner.folder, chain.map(\.path)), count: owner.count)
                for layer in chain { identities[layer.path] = layer.identity }
            } else {
                isWhole = false
            }
        }
        for folder in Set(configurations.map(\.folder)).sorted(by: { $0.name < $1.name }) {
            examineFiles(of: folder, live: live, identities)
        }
        if isWhole { examineNeed(DiskReferences(chains: chains)) }
    }

    /// - Returns: the disks from the leaf to the base; nil unless all of them are there.
    private mutating func examineChain(_ leaf: FilePath, of folder: MachineFolder) -> [DiskLayer]? {
        let chain: DiskChain
        do { chain = try DiskChain.open(leaf, beneath: lab.path) } catch {
            add(finding(of: error, folder))
            return nil
        }
        for warning in chain.warnings {
            let path = FilePath(warning.path)
            switch warning.kind {
            // The trash lies deeper than the place that the folder had, and gets again.
            case .parentMoved where folder.discarded != nil: break
            case .parentTimestamp, .parentMoved:
                let parent = chain.layers.drop { $0.path != path }.dropFirst().first?.path
                add(
                    Finding(
                        warning.kind == .parentMoved ? "parent-moved" : "parent-time", path, warning.detail,
                        remedy: "fermata disk set-parent \(path) \(parent?.string ?? "PARENT"), if that is its parent"))
            case .logReplayed where !folder.isInUse && path != leaf:
                add(
                    Finding(
                        "log-unreplayed", path, "the log of a disk that takes no more writes holds changes",
                        remedy: "fermata disk check \(path) --repair", fix: .repairDisk))
            default: break
            }
        }
        if chain.layers.count > Self.longChain {
            add(
                Finding(
                    "chain-long", leaf,
                    "it is read through \(chain.layers.count) disks; more than "
                        + "\(DiskChain.mostLayers) cannot be",
                    remedy: "delete checkpoints that are not needed any more"))
        }
        return chain.layers
    }

    private func finding(of error: DiskError, _ folder: MachineFolder) -> Finding {
        let path = FilePath(error.path)
        let text =
            error.description.hasPrefix("\(path): ")
            ? String(error.description.dropFirst("\(path): ".count)) : error.description
        switch error.code {
        case .unfinished:
            return Finding("disk-unfinished", path, text, fix: folder.isInUse ? nil : .recover(folder))
        case .parentMissing:
            return Finding("parent-missing", path, text, remedy: "put the parent back where the disk says it is")
        case .parentMismatch:
            return Finding(
                "parent-mismatch", path, text,
                remedy: "put the right parent in its place, or fermata disk set-parent \(path) PARENT")
        case .outsideLab:
            return Finding(
                "parent-outside", path, text, remedy: "fermata disk set-parent \(path) PARENT, with one in the lab")
        case .sizeMismatch: return Finding("parent-size", path, text, remedy: "put the right parent in its place")
        case .cycle: return Finding("chain-cycle", path, text, remedy: "fermata disk set-parent \(path) PARENT")
        case .tooDeep: return Finding("chain-too-long", path, text, remedy: "fermata disk merge \(path)")
        default:
            return Finding(
                "disk-damaged", path, text, remedy: "fermata disk check \(path) --repair, or put it back from a copy")
        }
    }

    /// Each file by itself.
    ///
    /// - Parameter known: the identities of disks that were read.
    private mutating func examineFiles(
        of folder: MachineFolder, live: Set<FilePath>, _ known: [FilePath: DiskIdentity]
    ) {
        guard let id = try? folder.identity() else { return }
        var identities: [DiskIdentity: FilePath] = [:]
        for place in [folder.path, folder.differencingDisks(of: id)] {
            for name in entries(place) where Self.isDisk(name) {
                let file = place.appending(name)
                examineMode(file)
                // The one that takes writes changes under our eyes.
                guard !live.contains(file), !name.hasPrefix(".") else { continue }
                if let identity = known[file] ?? (try? DiskInfo.inspect(file, beneath: lab.path).identity) {
                    if let other = identities[identity] {
                        add(
                            Finding(
                                "disk-twice", file,
                                "it has the same identity as \(other), so its children may be either's",
                                remedy: "move the copy out of the lab"))
                    }
                    identities[identity] = file
                }
                examineFile(file, folder)
            }
            for name in entries(place) where DiskRecovery.disk(interruptedAs: name) != nil && !folder.isInUse {
                add(
                    Finding(
                        "disk-unfinished", place.appending(name), "an operation on the disk was cut off",
                        fix: .recover(folder)))
            }
        }
    }

    private mutating func examineFile(_ file: FilePath, _ folder: MachineFolder) {
        do {
            let check = try DiskCheck.check(file, beneath: lab.path)
            // Parents are the chains' matter, and told there.
            let own = check.problems.filter {
                !$0.code.hasPrefix("parent-") && !["cycle", "too-deep", "unfinished", "log-dirty"].contains($0.code)
            }
            guard let first = own.first else { return }
            let rest = own.count > 1 ? "; and \(own.count - 1) more" : ""
            let isRepairable = own.allSatisfy(\.isRepairable)
            add(
                Finding(
                    "disk-damaged", file, "\(first.code): \(first.message)\(rest)",
                    remedy: isRepairable ? "fermata disk check \(file) --repair" : "put the file back from a copy",
                    fix: isRepairable && !folder.isInUse ? .repairDisk : nil))
        } catch {
            add(Finding("disk-damaged", file, error.detail, remedy: "put the file back from a copy"))
        }
    }

    /// Disks that no configuration of the lab needs, and those that only their child needs.
    private mutating func examineNeed(_ references: DiskReferences) {
        for folder in Set(configurations.map(\.folder)).sorted(by: { $0.name < $1.name }) where !folder.isInUse {
            guard let id = try? folder.identity() else { continue }
            // What lies beside the machine's base may be the user's own, such as a disk that was detached.
            let place = folder.differencingDisks(of: id)
            for name in entries(place) where Self.isDisk(name) && !name.hasPrefix(".") {
                let file = place.appending(name)
                guard !references.needed.contains(file) else { continue }
                add(Finding("disk-orphan", file, "no machine and no checkpoint reads it", fix: .recover(folder)))
            }
            if let pair = try? UnownedDisks(of: folder).next(except: [], references) {
                add(
                    Finding(
                        "disk-unmerged", pair.disk, "no checkpoint owns it, and only \(pair.child) needs it",
                        remedy: "fermata vm merge \(folder.name)", fix: .recover(folder)))
            }
        }
    }

    private static func isDisk(_ name: String) -> Bool {
        [".vhd", ".vhdx", ".avhd", ".avhdx"].contains(where: name.hasSuffix)
    }
}
