// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CSpawn
import FermataEngine
import FermataModel
import Foundation
import Glibc
public import SystemPackage

/// The program that hosts machines in processes of their own, which outlive who starts them: `fermata vm host`.
public struct HostCommand: Hashable, Sendable {
    /// The program's file; nil looks for `fermata` in the folders of `$PATH`.
    public var program: FilePath?

    /// Names a program; the command itself unless said.
    public init(program: FilePath? = nil) {
        self.program = program
    }

    /// The program that this process runs.
    public static var thisProgram: HostCommand {
        let link = "/proc/self/exe"
        let file = (try? FileManager.default.destinationOfSymbolicLink(atPath: link)) ?? link
        // A program that was replaced meanwhile still is what this process runs.
        return HostCommand(program: FilePath(FileManager.default.isExecutableFile(atPath: file) ? file : link))
    }

    /// The number of the descriptor at which a host finds its first client.
    static let firstClient: CInt = 3
    /// The size from which on a log of a host is not continued.
    private static let longestLog = 1 << 20

    /// Starts a host for a machine and connects to it.
    ///
    /// The host's first client is a socket that it inherits: by its greeting it says that it is ready, or says why not.
    ///
    /// - Throws: ``EngineError/Code/busy`` when another took hold of the machine first.
    func start(_ machine: MachineFolder) throws(EngineError) -> RemoteMachine? {
        let program = try found()
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw Self.failure("making a socket pair", machine)
        }
        let socket = ControlSocket(owning: ends[0])
        defer { close(ends[1]) }
        let log = try Self.openLog(of: machine)
        defer { close(log) }
        let arguments = [
            "fermata", "vm", "host", machine.name.description, "--store", machine.lab.path.string, "--inherited-client",
        ]
        var step: UnsafePointer<CChar>?
        let result = unsafe Self.withCStrings(arguments) { arguments in
            unsafe Self.withCStrings(Self.environment) { environment in
                unsafe program.withPlatformString { path in
                    unsafe withUnsafePointer(to: ends[1]) { descriptor in
                        var request = unsafe fermata_spawn(
                            path: path, arguments: arguments, environment: environment, descriptors: descriptor,
                            descriptor_count: 1, standard_error: log, detached: 1)
                        return unsafe fermata_spawn(&request, &step)
                    }
                }
            }
        }
        guard result == 0 else { throw Self.failure("starting \(program) to host it", machine) }
        // It may have a crash to recover from first; one that has ended is told at once.
        return try ControlClient(socket, to: machine.name, within: nil).map { RemoteMachine($0, folder: machine) }
    }

    private func found() throws(EngineError) -> FilePath {
        if let program { return program }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let files = folders.map { FilePath(String($0)).appending("fermata") }
        guard let file = files.first(where: { FileManager.default.isExecutableFile(atPath: $0.string) }) else {
            throw EngineError(
                .system,
                "there is no program `fermata` in the folders of $PATH to host machines; install it, or host the "
                    + "machine in this process")
        }
        return file
    }

    private static func openLog(of machine: MachineFolder) throws(EngineError) -> CInt {
        let path = machine.lab.hostLog(try machine.identity())
        var status = stat()
        let isLong = unsafe path.withPlatformString { unsafe stat($0, &status) } == 0 && status.st_size > longestLog
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (isLong ? O_TRUNC : 0)
        let descriptor = unsafe path.withPlatformString { unsafe open($0, flags, 0o600) }
        guard descriptor >= 0 else { throw failure("opening \(path)", machine) }
        return descriptor
    }

    private static func failure(_ what: String, _ machine: MachineFolder) -> EngineError {
        let error = Errno(rawValue: errno)
        return EngineError(
            .system, "machine '\(machine.name)' has no host: \(what) failed: \(error)", underlying: error)
    }

    private static var environment: [String] {
        ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }.sorted()
    }

    /// Strings as a C array ended by NULL.
    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() { unsafe (pointers + index).initialize(to: strdup(string)) }
        unsafe (pointers + strings.count).initialize(to: nil)
        defer {
            for index in strings.indices { unsafe free(pointers[index]) }
            unsafe pointers.deallocate()
        }
        return unsafe body(pointers)
    }
}
