// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

@testable import FermataEngine

extension FileCallTrial {
    /// A trial of what the next command that writes does to what a kill has left; nil when it changes nothing.
    ///
    /// - Parameter folder: where the trial's own copies lie.
    func recovery(from kill: FileFault, in folder: FilePath) async throws -> FileCallTrial? {
        try FileSystem.create(folder)
        let left = try await base.copied(to: folder.appending("left"))
        _ = try await Self.run(operation.arguments(left), on: left, kill)
        guard FileSystem.exists(left.lab.machine(.init(operation.machine)).path) else { return nil }
        let copy = try await left.copied(to: folder.appending("whole"))
        defer { try? FileSystem.removeAll(copy.place) }
        let run = try await Self.run(operation.recovery.arguments(copy), on: copy, nil)
        guard run.code == 0 else { throw Problem(description: "\(operation), \(kill): \(run.lines)") }
        // Also a memory that differs each time is the same in all copies of what was left.
        let settled = try await Self.reopened(copy, true)
        let isExpected = try stages.contains(copy.content(isDeep: true, comparesNewMemory: !operation.boots))
        guard !run.calls.isEmpty, isExpected else { return nil }
        return FileCallTrial(
            operation.recovery, on: left, in: folder, stages: [settled, settled], calls: run.calls)
    }
}
