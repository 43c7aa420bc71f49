// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine
@testable import FermataExecutor

struct ExaminationTests {
    @Test func `a socket on which nobody listens is found, and goes when that is asked for`() throws {
        let folder = try TemporaryFolder()
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let machine = try lab.createMachine(
            MachineDefinition(name: "web", memory: .mebibytes(1), disks: []), file: { FilePath($0) })
        let address = try #require(try ControlAddress(of: machine, makingFolder: true))
        let descriptor = try address.listen()
        #expect(try Lab.examine(lab.path).findings == [])
        close(descriptor)
        let found = try Lab.examine(lab.path)
        #expect(found.findings.map(\.code) == ["socket-stale"])
        #expect(found.findings.first?.path == address.path)
        #expect(found.fix().isEmpty)
        #expect(try Lab.examine(lab.path).findings == [])
        #expect(!FileSystem.exists(address.path))
    }
}
