// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataEngine
import Glibc
import NBD
import QMP
import Synchronization
public import SystemPackage

/// Runs machines on QEMU.
///
/// A machine is one process of `qemu-system-x86_64`, child of this one, that dies with it. What it needs it inherits:
/// its memory image, kernel and disks as descriptors, its monitor and channels as socket pairs. Its disks are served
/// by threads of this process.
public final class QEMUDriver: Hypervisor {
    private let program: FilePath?
    private let accelerator: Accelerator?
    private let capabilities = Mutex<[FilePath: Capabilities]>([:])

    /// Makes a driver; it touches nothing yet.
    ///
    /// - Parameters:
    ///   - program: QEMU's file; nil looks in the folders of `$PATH`.
    ///   - accelerator: what executes the guests' instructions; nil takes KVM where it works.
    public init(program: FilePath? = nil, accelerator: Accelerator? = nil) {
        self.program = program
        self.accelerator = accelerator
    }

    /// Starts the process of a machine, its processors held.
    public func launch(_ launch: Launch) async throws -> any VirtualMachine {
        let program = try program ?? QEMUBinary.find(in: unsafe getenv("PATH").map { unsafe String(cString: $0) })
        let capabilities = try await capabilities(of: program)
        return try await QEMUMachine.start(launch, program, capabilities)
    }

    /// What QEMU offers, asked once per driver.
    func capabilities(of program: FilePath) async throws -> Capabilities {
        if let known = capabilities.withLock({ $0[program] }) { return known }
        let answer = try await Capabilities.ask(program, wanted: accelerator)
        capabilities.withLock { $0[program] = answer }
        return answer
    }
}
