// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import QEMUDriver
import SystemPackage

/// A host that starts one machine and waits to be killed: `host-of-machine NAME MEMORY-IMAGE LOG`.
@main struct Host {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { exit(2) }
        let machine = try await QEMUDriver(accelerator: .tcg).launch(
            Launch(
                name: arguments[1], hardware: Hardware(memory: 16 << 20, processors: 1),
                memoryImage: FilePath(arguments[2]), disks: [], clockBase: 0, log: FilePath(arguments[3])))
        _ = try await machine.resume()
        print("running")
        fflush(nil)
        for await _ in machine.events {}
    }
}
