// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataEngine
import SystemPackage
import VirtualDisk

/// Runs an operation on disks as a command does.
enum DiskOperation {
    /// Lets the operation's refusals end the command with the exit code that fits.
    static func run<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as DiskError where error.code == .invalidArgument {
            throw ProgramFailure(error.description, exitCode: ProgramFailure.wrongUse)
        }
    }
}

extension DiskLocation {
    /// Makes sure that no machine's configuration names the disk.
    func checkIsNoMachines() throws {
        guard let machine = try machine else { return }
        throw ProgramFailure(
            "'\(path)' belongs to machine '\(machine.name)', whose disks follow its checkpoints; "
                + "create, apply or delete those instead",
            exitCode: ProgramFailure.failed)
    }
}
