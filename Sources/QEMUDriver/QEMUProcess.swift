// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Glibc
import QMP
import Synchronization
import SystemPackage

/// A process of QEMU and the connection to its monitor.
///
/// Descriptor 3 of the child is its monitor; the others follow from 4 on in the order given.
final class QEMUProcess: Sendable {
    let monitor: QMPClient
    let child: ChildProcess
    private let name: String
    let log: Log

    /// What every QEMU that this module starts has in common.
    private static let common = [
        "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-nic", "none",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control",
    ]

    private init(_ monitor: QMPClient, _ child: ChildProcess, _ name: String, _ log: Log) {
        self.monitor = monitor
        self.child = child
        self.name = name
        self.log = log
    }

    deinit {
        child.kill()
    }

    /// Starts a process and waits until its monitor answers.
    ///
    /// - Parameters:
    ///   - descriptors: what the child gets from 4 on.
    ///   - handedOver: those of them that are the child's alone from now on: they are closed here.
    ///   - afterwards: runs once the process has ended, on a thread that may block.
    static func start(
        _ program: FilePath, name: String, log path: FilePath?, arguments: [String], descriptors: [Descriptor],
        handedOver: [Descriptor], afterwards: @escaping @Sendable (ChildProcess.Exit) -> Void
    ) async throws(HypervisorError) -> QEMUProcess {
        let log: Log
        let pair: (here: Descriptor, there: Descriptor)
        let connection: FileDescriptor
        do {
            log = try Log(path)
            pair = try Descriptor.pair()
            connection = try pair.here.duplicate()
        } catch {
            let place = path.map { " or its log \($0)" } ?? ""
            throw HypervisorError(.failed, "QEMU for \(name) could not be started: no socket\(place): \(error).")
        }
        let process: pid_t
        do throws(SpawnThread.Failure) {
            process = try await SpawnThread.shared.spawn(
                SpawnThread.Request(
                    program: program, arguments: [program.string] + common + arguments,
                    descriptors: [pair.there] + descriptors, standardError: log.file))
            // If an end of the child's stayed open here, the child's death would not end the connection.
            for descriptor in [pair.there] + handedOver { descriptor.close() }
        } catch {
            for descriptor in handedOver { descriptor.close() }
            try? connection.close()
            throw HypervisorError(
                .failed, "\(program) for \(name) could not be started: \(error.step) failed: \(error.errno).")
        }
        let child = ChildProcess(process, afterwards: afterwards)
        do throws(QMPError) {
            let monitor = try await QMPClient(connected: connection)
            return QEMUProcess(monitor, child, name, log)
        } catch {
            child.kill()
            let exit = await child.exit()
            throw HypervisorError(.ended, "QEMU for \(name) did not start: \(log.reason(exit, error)).")
        }
    }

    /// Ends the process, if it runs, and returns when it is gone.
    func end() async {
        child.kill()
        _ = await child.exit()
        monitor.close()
    }

    /// A monitor's error as one of the machine.
    func translate(_ error: QMPError) -> HypervisorError {
        switch error.code {
        case .disconnected:
            let words = log.lastLine().map { ": \($0)" } ?? ""
            let what = error.command.map { " at `\($0)`" } ?? ""
            return HypervisorError(.ended, "QEMU for \(name) ended\(what)\(words).")
        case .refused: return HypervisorError(.refused, "QEMU for \(name): \(error.description).")
        default: return HypervisorError(.failed, "QEMU for \(name): \(error.description).")
        }
    }
}
