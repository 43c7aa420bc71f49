// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import SystemPackage

extension StoreOption {
    /// The lab, which must exist.
    func lab() throws -> LabFolder {
        try LabFolder.open(Lab.find(store: try checked().map { FilePath($0) }))
    }

    /// A machine of the lab.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 and what was probably meant.
    func machine(_ name: String) throws -> MachineRecord {
        let lab = try lab()
        let machines = try lab.machines()
        guard let folder = machines.first(where: { $0.name.description == name }) else {
            let near = Spelling.nearest(to: name, among: machines.map(\.name.description))
            throw ProgramFailure(
                "there is no machine '\(name.shortened(to: 100))' in \(lab.path)"
                    + (near.map { "; did you mean '\($0)'?" } ?? ""), exitCode: ProgramFailure.wrongUse)
        }
        return try MachineRecord(reading: folder)
    }
}
