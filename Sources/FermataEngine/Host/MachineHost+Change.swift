// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

extension MachineHost {
    /// Changes the configuration of a machine that is off; its notes and its rules in every state.
    ///
    /// The configuration's file is the commit: before it there are new files that nothing names. A checkpoint keeps the
    /// configuration of its time, and a restore brings all of it back, but for the notes, which are the machine's and no
    /// moment's. A disk that is detached loses what was written to it since the last checkpoint; a disk without
    /// checkpoints stays as a file in the machine's folder, unless it is to be discarded and was made for the machine.
    ///
    /// - Throws: ``EngineError/Code/wrongState`` when the machine has power or is saved, or cannot be so;
    ///   ``EngineError/Code/notFound`` for an unknown disk; nothing is changed then.
    public func change(_ change: HardwareChange) async throws {
        try await exclusively("a change") { host in
            try host.requireLock()
            if !change.leavesHardware { try host.requireOff() }
            var now = host.record.now
            let detached = now.disks.filter { change.detach.contains($0.name) }
            try host.apply(change, to: &now)
            try host.detach(change.detach, from: &now)
            var made: [FilePath] = []
            var isMarked = false
            do {
                if let boot = try host.boot(change, of: now) { now.boot = boot }
                try host.attach(change.attach, to: &now, making: &made)
                guard now != host.record.now else { return }
                if change.discardsDetached { isMarked = try host.mark(detached) }
                try host.commitNow(now, fault: .configurationCommit)
            } catch {
                host.removeUnlessNamed(made)
                if !made.isEmpty || isMarked { host.settleMarks() }
                throw error as? EngineError
                    ?? EngineError(.system, "machine '\(host.folder.name)': \(error)", underlying: error)
            }
            // What cannot be removed now is removed when the machine is next opened.
            if !change.detach.isEmpty { try? Recovery(of: host.folder).removeUnneededDisks() }
            if !made.isEmpty || isMarked { host.settleMarks() }
        }
    }

    private func requireOff() throws(EngineError) {
        let advice: String
        switch state {
        case .off: return
        case .running: advice = "shut it down first"
        case .paused: advice = "turn it off first"
        case .saved: advice = "start it and shut it down first, or turn it off, which discards what was saved"
        }
        throw EngineError(
            .wrongState,
            "machine '\(folder.name)' is \(state), and its hardware changes only while it is off; \(advice)")
    }

    private func refusal(_ problem: String) -> EngineError {
        EngineError(.wrongState, "machine '\(folder.name)' cannot be changed so: \(problem)")
    }

    private func apply(_ change: HardwareChange, to now: inout Configuration) throws(EngineError) {
        if let memory = change.memory {
            guard memory.bytes > 0, memory.bytes % (1 << 20) == 0, memory <= MachineDefinition.largestMemory else {
                throw refusal(
                    "its memory would be \(memory), which is not a multiple of 1 MiB up to "
                        + "\(MachineDefinition.largestMemory)")
            }
            now.memory = memory.bytes
        }
        if let processors = change.processors {
            guard (1...MachineDefinition.mostProcessors).contains(processors) else {
                throw refusal(
                    "it would have \(processors) processors; give it 1 to \(MachineDefinition.mostProcessors)")
            }
            now.processors = processors
        }
        now.clock = change.clock ?? now.clock
        now.allowsCheckpoints = change.allowsCheckpoints ?? now.allowsCheckpoints
        if let notes = change.notes { now.notes = notes.isEmpty ? nil : notes }
    }

    /// The boot files after a change; nil when it says nothing of them.
    private func boot(_ change: HardwareChange, of now: Configuration) throws(EngineError) -> Configuration.Boot? {
        guard change.kernel != nil || change.initrd != nil || change.arguments != nil else { return nil }
        guard change.kernel != nil || now.boot != nil else {
            throw refusal("it starts from its first disk, without a kernel; give it one")
        }
        let kernel = try change.kernel.map { path throws(EngineError) in try folder.lab.addBootFile(path) }
        let initrd = try change.initrd.map { path throws(EngineError) in try folder.lab.addBootFile(path) }
        return Configuration.Boot(
            kernel: kernel ?? now.boot?.kernel ?? "", initrd: initrd ?? now.boot?.initrd,
            arguments: change.arguments ?? now.boot?.arguments ?? "")
    }

    private func detach(_ names: [String], from now: inout Configuration) throws(EngineError) {
        for name in names {
            guard let index = now.disks.firstIndex(where: { $0.name == name }) else {
                let meant = Spelling.nearest(to: name, among: now.disks.map(\.name))
                let hint = meant.map { "; did you mean '\($0)'?" } ?? ""
                throw EngineError(.notFound, "machine '\(folder.name)' has no disk '\(name)'\(hint)")
            }
            now.disks.remove(at: index)
        }
    }

    private func attach(
        _ disks: [HardwareChange.NewDisk], to now: inout Configuration, making made: inout [FilePath]
    ) throws {
        for disk in disks {
            if let problem = MachineDefinition.Disk.problem(ofName: disk.name) {
                throw refusal("the name of disk '\(disk.name)' \(problem)")
            }
            guard !now.disks.contains(where: { $0.name == disk.name }) else {
                throw EngineError(.exists, "machine '\(folder.name)' has a disk '\(disk.name)' already")
            }
            guard now.disks.count < MachineDefinition.mostDisks else {
                throw refusal("it would have more than \(MachineDefinition.mostDisks) disks")
            }
            let path: FilePath
            switch disk.content {
            case .empty(let size, let format):
                path = newBase(disk.name, format.rawValue, isFirst: now.disks.isEmpty)
                let mark = folder.mark(of: path)
                made.append(mark)
                try (format == .vhd ? DiskFormat.vhd : .vhdx)
                    .create(at: mark, size: size.bytes, permissions: .ownerReadWrite)
                try FileSystem.link(mark, as: path)
                made.append(path)
            case .file(let name): path = try unusedFile(name, by: now)
            }
            now.disks.append(Configuration.Disk(name: disk.name, path: path.string))
        }
        if !made.isEmpty { try FileSystem.synchronize(folder.path) }
    }

    /// A name that no file in the machine's folder has: a detached disk, or one that a checkpoint holds, keeps its own.
    private func newBase(_ disk: String, _ fileExtension: String, isFirst: Bool) -> FilePath {
        var path = folder.baseDisk(disk, isFirst: isFirst, fileExtension: fileExtension)
        var number = 1
        while FileSystem.exists(path) {
            number += 1
            path = folder.baseDisk("\(disk)-\(number)", isFirst: false, fileExtension: fileExtension)
        }
        return path
    }

    /// A disk's file in the machine's folder that nothing uses.
    private func unusedFile(_ name: String, by now: Configuration) throws -> FilePath {
        let path = folder.path.appending(name)
        guard FilePath.Component(name)?.kind == .regular, let format = DiskFormat(path: path),
            format == .vhd || format == .vhdx, FileSystem.exists(path)
        else {
            throw EngineError(
                .notFound, "there is no disk '\(name)' in \(folder.path); copy a .vhd or .vhdx file there first")
        }
        let isMine = now.disks.contains { FilePath($0.path).lastComponent == path.lastComponent }
        guard try !isMine && !DiskReferences(of: folder.lab).needed.contains(path) else {
            throw refusal("'\(name)' is a disk of a machine or of a checkpoint already")
        }
        // Opened once, so that what is no disk, or leads out of the lab, is refused now and not at the next start.
        _ = try DiskFiles.open(path, in: folder, .readOnly)
        return path
    }

    /// Removes new files unless the configuration that is in place names them.
    private func removeUnlessNamed(_ files: [FilePath]) {
        let now = try? Configuration(reading: folder.configuration(of: record.id))
        guard let now, Set(now.disks.map(\.path)).isDisjoint(with: files.map(\.string)) else { return }
        for file in files { try? FileSystem.remove(file) }
    }
}
