// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage

/// A lab in which a shell acts, each `fermata` a process of its own.
struct ShellLab: Sendable {
    /// The program that was built.
    static var program: FilePath {
        get throws {
            FilePath(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
                .removingLastComponent().appending("fermata")
        }
    }

    /// The lab's folder, which need not exist.
    let path: FilePath

    /// Runs a line of the shell in which `fermata` is the program, with the lab as its store, and `$G` the folder of the
    /// guest's boot files.
    func run(_ line: String) async throws -> Tool.Result {
        try await Tool("sh").run([
            "-c",
            "fermata() { FERMATA_STORE='\(path)' '\(try Self.program)' \"$@\"; }; G='\(try TinyGuest.find().folder)'; "
                + line,
        ])
    }

    /// Makes a machine that boots the tiny guest, and starts it.
    func start(_ name: String) async throws -> Tool.Result {
        try await run(
            "fermata vm create \(name) --memory 192M --disk 64M --kernel $G/vmlinuz --initrd $G/initrd.gz "
                + "--arguments '\(TinyGuest.arguments)' && fermata vm start \(name)")
    }
}
