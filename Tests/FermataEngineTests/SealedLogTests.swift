// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

struct SealedLogTests {
    @Test func `a disk whose host was killed is sealed without what its log held`() async throws {
        let folder = try TemporaryFolder()
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let machine = try lab.createMachine(
            MachineDefinition(
                name: "web", memory: .mebibytes(1), disks: [.init(name: "data", size: .mebibytes(2), format: .vhdx)]),
            file: { FilePath($0) })
        let host = try MachineHost(of: machine, hypervisor: SimulatedHypervisor())
        for (number, name) in [CheckpointName("base"), "child"].enumerated() {
            // Never closed: its log stays, as when a host is killed.
            let chain = try DiskFiles.open(await host.files.now, in: machine)[0]
            try chain.write([UInt8](repeating: 7, count: 4096), at: UInt64(number) * 8192)
            try chain.flush()
            let file = chain.layers[0].path
            #expect(try DiskFiles.open(file, in: machine, .readOnly).warnings.map(\.kind) == [.logReplayed])
            _ = try await host.checkpoint(CheckpointRequest(name: name))
            let sealed = try DiskFiles.open(file, in: machine, .readOnly)
            #expect(sealed.warnings == [])
            #expect(try sealed.bytes(at: UInt64(number) * 8192, count: 4096).allSatisfy { $0 == 7 })
            let now = try #require(await host.files.now.disks.first)
            #expect(try DiskFiles.open(FilePath(now.path), in: machine, .readOnly).warnings == [])
        }
        await host.close()
    }
}
