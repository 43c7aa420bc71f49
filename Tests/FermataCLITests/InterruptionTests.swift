// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport
import Subprocess
import Testing

@Suite struct InterruptionTests {
    /// A run long enough that a signal meets it.
    static let long = """
        local web = machine "web" { memory = "1M", disks = { disk { "system", size = "1M" } } }
        web:checkpoint "clean"
        for i = 1, 500 do
          web:checkpoint("round " .. i)
          web:apply "clean"
        end

        """

    /// Sends signals to a run once it has said what its third operation became; its exit code, nil for none.
    private func interrupt(
        _ signals: [Signal], in folder: TestFolder
    ) async throws -> (code: Int32?, messages: [String]) {
        let result = try await Subprocess.run(
            .path(try Program.fermata.path), arguments: ["run", "long.lua"], workingDirectory: folder.path,
            input: .none, output: .string(limit: 1 << 20), error: .sequence
        ) { execution in
            var messages: [String] = []
            for try await line in execution.standardError.strings() {
                messages.append(line)
                guard messages.count == 3 else { continue }
                for signal in signals { try execution.send(signal: signal) }
            }
            return messages
        }
        return (result.terminationStatus.exitCode, result.closureResult)
    }

    @Test(arguments: [Signal.interrupt, .terminate])
    func `one signal ends a run in order`(_ signal: Signal) async throws {
        let folder = try TestFolder()
        try folder.write("long.lua", Self.long)
        let (code, messages) = try await interrupt([signal], in: folder)
        #expect(code == 1)
        #expect(messages.contains { $0.hasPrefix("fermata: stopping after this operation") }, "\(messages.suffix(3))")
        #expect(messages.last?.hasPrefix("fermata: error: the run was stopped before operation ") == true)
        // What an operation has done is there, and nothing is left half done.
        let done = messages.count { $0.contains("] Checkpoint 'round") }
        let tree = try await folder.fermata("checkpoint", "tree", "web", "--json").json
        #expect(tree["checkpoints"]?.elements.count == done + 1)
        #expect(try await folder.fermata("run", "still.lua", "--store", "other").code == 0)
    }

    @Test func `a second signal ends a run at once, and the next one begins anew`() async throws {
        let folder = try TestFolder()
        try folder.write("long.lua", Self.long)
        let (code, messages) = try await interrupt([.interrupt, .terminate], in: folder)
        #expect(code == 1)
        #expect(messages.count < 500)
        try folder.write("long.lua", Self.long.replacing("500", with: "3"))
        let again = try await folder.fermata("run", "long.lua")
        #expect(again.code == 0, "\(again)")
    }
}
