// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import SystemPackage
import Testing

@testable import FermataEngine

/// Checkpoints of a real machine are read again while it runs.
@Suite(.serialized) struct VerifyTests {
    private static let write = "dd if=/dev/urandom of=/dev/vda bs=64k count=8 seek=3 conv=fsync 2>/dev/null"

    @Test func `checkpoints of a running machine are whole, and a flipped bit is found beside it`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        _ = try await host.output(of: Self.write)
        let first = try await host.checkpoint(CheckpointRequest(name: "first")).id
        _ = try await host.output(of: Self.write)
        let second = try await host.checkpoint(CheckpointRequest(name: "second")).id
        _ = try await host.output(of: Self.write)
        try await host.mergeDisks()
        let whole = try host.folder.verify([first, second])
        #expect(whole.count == 2 && whole.allSatisfy { $0.isOK && !$0.isPending }, "\(whole)")
        let digests = await host.files.checkpoints.mapValues(\.digests)
        #expect(digests[first] != digests[second])

        let image = host.folder.memoryImage(second)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: image.string))
        try file.seek(toOffset: 4096)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: 4096)
        try file.write(contentsOf: [byte ^ 1])
        let found = try host.folder.verify([first, second])
        #expect(found.map { $0.problems.map(\.path) } == [[], [image]], "\(found)")

        // What was read through both is the same when one is gone.
        try await host.delete([first])
        try await host.mergeDisks()
        #expect(await host.files.checkpoints[second]?.digests == digests[second])
        #expect(try host.folder.verify([second]).map { $0.problems.map(\.path) } == [[image]])
        try await host.turnOff()
    }
}
