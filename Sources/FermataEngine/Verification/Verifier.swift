// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Hashing
import SystemPackage
import VirtualDisk

/// Reads everything that checkpoints of a machine need.
///
/// ```
///   <CP>.xml ──► each disk: its chain, its files' structure, what it reads as ══ the digest in <CP>.xml
///            ──► <CP>.bin: header, table, every page ══ the digest in <CP>.vsv
///            ──► <CP>.vsv: its checksum; machine, moment, disks, sizes ══ <CP>.xml
///            ──► Boot/<sha256>: its content ══ its name
/// ```
/// What several checkpoints share is read once.
struct Verifier {
    typealias Problem = CheckpointVerification.Problem

    private let record: MachineRecord
    private var folder: MachineFolder { record.folder }
    private var contents: [FilePath: ContentDigest] = [:]
    private var structures: [FilePath: Problem?] = [:]
    private var bootFiles: [String: Problem?] = [:]

    init(_ record: MachineRecord) {
        self.record = record
    }

    /// - Returns: what was found; nil when there is no such checkpoint.
    mutating func verify(_ id: GUID) -> CheckpointVerification? {
        guard let configuration = record.checkpoints[id] else { return nil }
        var problems: [Problem] = []
        for index in configuration.disks.indices { problems += verifyDisk(index, of: configuration) }
        if configuration.checkpoint?.hasMemory == true { problems += verifyMemory(of: id, configuration) }
        for digest in [configuration.boot?.kernel, configuration.boot?.initrd].compactMap(\.self) {
            problems += verifyBootFile(digest)
        }
        var told: Set<Problem> = []
        return CheckpointVerification(
            id: id, name: CheckpointName(configuration.name), isPending: configuration.isDigestPending,
            problems: problems.filter { told.insert($0).inserted })
    }

    // MARK: Disks

    private mutating func verifyDisk(_ index: Int, of configuration: Configuration) -> [Problem] {
        let disk = configuration.disks[index]
        let path: FilePath
        let chain: DiskChain
        do {
            path = try DiskFiles.path(of: disk, machine: configuration.machine, in: folder)
        } catch {
            return [problem(folder.path, error)]
        }
        do {
            chain = try DiskFiles.open(path, in: folder, .readOnly)
        } catch {
            let inner = error.underlying as? DiskError
            return [problem(inner.map { FilePath($0.path) } ?? path, inner ?? error)]
        }
        var problems = chain.layers.compactMap { verifyStructure(of: $0.path) }
        guard let expected = configuration.digests?[index] else { return problems }
        do {
            let found = try content(of: path)
            if found != expected {
                let culprit = culprit(in: chain.layers.map(\.path)) ?? path
                problems.append(
                    Problem(
                        path: culprit,
                        message:
                            "the content of disk '\(disk.name)' is not that of checkpoint '\(configuration.name)': "
                            + "expected the digest \(expected), found \(found)"))
            }
        } catch {
            problems.append(problem(path, error))
        }
        return problems
    }

    private mutating func content(of path: FilePath) throws -> ContentDigest {
        if let known = contents[path] { return known }
        let digest = try ContentDigest(of: DiskFiles.open(path, in: folder, .readOnly))
        contents[path] = digest
        return digest
    }

    /// The file nearest to the base from which on a chain reads otherwise than checkpoints have recorded.
    private mutating func culprit(in files: [FilePath]) -> FilePath? {
        for file in files.reversed() {
            for configuration in record.checkpoints.values {
                for (disk, expected) in zip(configuration.disks, configuration.digests ?? []) {
                    guard let path = try? DiskFiles.path(of: disk, machine: configuration.machine, in: folder),
                        path == file, let found = try? content(of: file), found != expected
                    else { continue }
                    return file
                }
            }
        }
        return nil
    }

    private mutating func verifyStructure(of file: FilePath) -> Problem? {
        if let known = structures[file] { return known }
        let found = structure(of: file)
        structures[file] = .some(found)
        return found
    }

    private func structure(of file: FilePath) -> Problem? {
        do {
            // Parents are the chain's matter, which was opened.
            let own = try DiskCheck.check(file, beneath: folder.lab.path).problems.filter {
                !$0.code.hasPrefix("parent-") && !["cycle", "too-deep", "unfinished", "log-dirty"].contains($0.code)
            }
            return own.first.map { Problem(path: file, message: "\($0.code): \($0.message)") }
        } catch {
            return problem(file, error)
        }
    }

    // MARK: Memory and boot files

    private func verifyMemory(of id: GUID, _ configuration: Configuration) -> [Problem] {
        let source = record.memory(of: id, configuration)
        var problems: [Problem] = []
        var state: SavedState?
        do {
            let read = try SavedState(reading: source.files.devices)
            state = read
            try record.check(read, of: source, configuration)
        } catch {
            problems.append(problem(source.files.devices, error))
        }
        do {
            try MemoryImage(reading: source.files.image).check()
            if let state { _ = try record.memoryImage(of: source, state, configuration) }
        } catch {
            problems.append(problem(source.files.image, error))
        }
        return problems
    }

    private mutating func verifyBootFile(_ name: String) -> [Problem] {
        if let known = bootFiles[name] { return known.map { [$0] } ?? [] }
        let file = folder.lab.boot.appending(name)
        var found: Problem?
        do throws(EngineError) {
            let digest = try LabFolder.digest(of: file).description
            if digest != name {
                found = Problem(path: file, message: "expected the content with that SHA-256, found \(digest)")
            }
        } catch {
            found = problem(file, error)
        }
        bootFiles[name] = .some(found)
        return found.map { [$0] } ?? []
    }

    /// An error's sentence, the path of a file in front.
    private func problem(_ file: FilePath, _ error: any Error) -> Problem {
        let text = "\(error)"
        let prefix = "\(file): "
        return Problem(path: file, message: text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
    }
}

extension Configuration {
    /// Whether what a checkpoint's disks read as was not worked out yet.
    public var isDigestPending: Bool { digests == nil && !disks.isEmpty }
}
