// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage

/// A lab on which the command acts, each time as a process of its own, and what those processes leave running.
///
/// ```swift
/// let lab = try CommandLab()
/// defer { lab.end() }
/// ```
struct CommandLab: Sendable {
    /// The folder around the lab, for files of the test's own.
    let place: TemporaryFolder
    /// The lab's folder.
    let folder: LabFolder
    /// What the processes have in their environment: the folder of their control sockets is the test's own.
    private let environment: [String: String]

    /// Names a lab that does not exist yet.
    init() throws {
        let place = try TemporaryFolder()
        let environment = ["XDG_RUNTIME_DIR": try place.makeFolder("run").string]
        self.init(in: place, at: place.appending("lab"), environment)
    }

    private init(in place: TemporaryFolder, at path: FilePath, _ environment: [String: String]) {
        self.place = place
        self.environment = environment
        folder = LabFolder(path)
    }

    /// The same test's lab at another path.
    func at(_ name: String) -> CommandLab {
        CommandLab(in: place, at: place.appending(name), environment)
    }

    /// Runs the command to its end; a process that it leaves behind to host a machine may stay.
    func fermata(_ words: [String]) async throws -> BuiltProgram.Result {
        try await BuiltProgram.run(
            "fermata", words, environment: environment.merging(["FERMATA_STORE": folder.path.string]) { $1 },
            mayLeaveHost: true)
    }

    /// The same for words without spaces.
    func fermata(_ line: String) async throws -> BuiltProgram.Result {
        try await fermata(line.split(separator: " ").map(String.init))
    }

    /// Starts the command with its store named by an option, as the processes that host machines have it.
    func start(
        _ words: [String], onLine: @escaping @Sendable (BuiltProgram, String) -> Void = { _, _ in }
    ) throws -> BuiltProgram {
        try BuiltProgram(
            "fermata", words + ["--store", folder.path.string], environment: environment, onLine: onLine)
    }

    /// The words that make a machine with two disks and the tiny guest.
    static func create(_ name: String) throws -> [String] {
        let guest = try TinyGuest.find()
        return [
            "vm", "create", name, "--memory", "128M", "--disk", "16M", "--disk", "data=16M", "--kernel",
            guest.kernel.string, "--initrd", guest.initrd.string, "--arguments", TinyGuest.arguments,
        ]
    }

    /// The state of a machine as another process tells it; nil when there is none.
    func state(of machine: String = "web") async throws -> String? {
        let show = try await fermata(["vm", "show", machine, "--json"])
        return show.code == 2 ? nil : try show.json["state"]?.text
    }

    /// The processes that host machines of the lab.
    var hosts: [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { id in
            let words = FileManager.default.contents(atPath: "/proc/\(id)/cmdline")?.split(separator: 0) ?? []
            return words.contains { String(decoding: $0, as: UTF8.self) == folder.path.string }
        }
    }

    /// The sockets on which hosts of the test listen.
    var sockets: [String] {
        let folder = place.appending("run").appending("fermata").string
        return (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }

    /// Ends every process that hosts a machine of the lab; with it goes the machine's own.
    func end() {
        while true {
            let hosts = hosts
            guard !hosts.isEmpty else { return }
            for host in hosts { kill(host, SIGKILL) }
            // It is no child of this process, whose end nobody can wait for but by asking.
            usleep(5000)
        }
    }
}
