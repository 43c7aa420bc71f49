// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

extension MachineHost: LabMember {
    /// Does the machine's part of what several machines do at one moment.
    public func join(_ operation: JointOperation, at meeting: Rendezvous) async throws -> JointOutcome {
        switch operation {
        case .checkpoint(let request, let id):
            let outcome = try await checkpoint(request, as: id, with: meeting)
            return JointOutcome(pauseMicroseconds: outcome.pauseMicroseconds)
        case .restore(let checkpoint, let ending, let id, let isTrashing):
            let outcome = try await restore(ending, isTrashing, with: LabRestore(id: id, meeting: meeting)) {
                host throws(EngineError) in
                try host.require(checkpoint)
            }
            return JointOutcome(pauseMicroseconds: outcome.pauseMicroseconds, way: outcome.way)
        case .delete(let checkpoint, let lab):
            let file = folder.lab.labCheckpoint(lab)
            try await withoutMerging { host in
                try await host.exclusively("deleting a checkpoint") { host in
                    try host.requireLock()
                    _ = try host.require(checkpoint)
                    try host.takeOverMemory(of: [checkpoint])
                    let isMarked = try host.markBases(of: [checkpoint])
                    defer { if isMarked { host.settleMarks() } }
                    guard await meeting.decision({ !FileSystem.exists(file) }) else { throw Rendezvous.givenUp }
                    host.clear([checkpoint])
                }
            }
        case .rename(let checkpoint, let name, let lab):
            let file = folder.lab.labCheckpoint(lab)
            try await exclusively("changing a checkpoint") { host in
                try host.requireLock()
                _ = try host.require(checkpoint)
                try host.requireFree(name, for: checkpoint)
                let isNamed = await meeting.decision { (try? LabCheckpoint(reading: file))?.name == name }
                guard isNamed else { throw Rendezvous.givenUp }
                host.record = try MachineRecord(reading: host.folder)
            }
        }
        return JointOutcome()
    }

    private func require(_ checkpoint: GUID) throws(EngineError) -> GUID {
        guard record.checkpoints[checkpoint] != nil else {
            throw EngineError(.notFound, "machine '\(folder.name)' has no checkpoint \(checkpoint)")
        }
        return checkpoint
    }

    /// Makes a configuration the machine's own: at once, or with those of other machines at one moment.
    func commitNow(_ now: Configuration, fault: FaultPoint, with others: LabRestore?) async throws(EngineError) {
        guard let others else { return try commitNow(now, fault: fault) }
        let file = try prepare(now, for: others)
        do throws(EngineError) {
            try await commit(file, now, fault: fault, with: others)
        } catch {
            if record.now != now { try? FileSystem.remove(file) }
            throw error
        }
    }

    /// Puts what a restore leads to beside its place.
    func prepare(_ now: Configuration, for others: LabRestore?) throws(EngineError) -> FilePath {
        guard let others else { return try FileSystem.prepare(now.file(), for: folder.configuration(of: now.machine)) }
        let file = folder.restoredConfiguration(of: now.machine, by: others.id)
        do throws(EngineError) {
            try FileSystem.write(now.file(), to: file)
            try FileSystem.synchronize(folder.virtualMachines)
        } catch {
            try? FileSystem.remove(file)
            throw error
        }
        return file
    }

    /// Puts it in its place, as one of several once all are ready.
    func commit(
        _ file: FilePath, _ now: Configuration, fault: FaultPoint, with others: LabRestore?
    ) async throws(EngineError) {
        let place = folder.configuration(of: now.machine)
        guard let others else {
            try FileSystem.commit(file, to: place, fault: fault)
            record = record.committed(now)
            return
        }
        let entry = folder.lab.restore(others.id)
        guard await others.meeting.decision({ FileSystem.exists(entry) }) else { throw Rendezvous.givenUp }
        // It has happened for every reader; if the file cannot be put in place now, the next writer does it.
        record = record.committed(now)
        fault.before()
        try FileSystem.move(file, to: place)
        fault.after()
    }
}
