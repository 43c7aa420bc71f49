// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataModel
import Foundation
import NBD
import SystemPackage
import VirtualDisk

/// Has qemu-img read or write a format of its own, while this program does the same for the other file.
///
/// qemu-img sees our disk as an NBD export alone, so a child is flat to it, and no file of ours is ever probed by it.
struct ForeignConversion {
    let format: ForeignFormat
    let file: FilePath

    /// Writes a disk into the file, whatever it held.
    func write(_ source: DiskChain) throws {
        try serving(source) { uri in
            try run(["convert", "-f", "raw", "-O", format.rawValue, uri, file.string])
        }
    }

    /// The size in bytes of the disk in the file.
    func size() throws -> UInt64 {
        let text = try run(["info", "-f", format.rawValue, "--output=json", file.string])
        guard case .object(let members) = try JSON(parsing: text), case .number(let number)? = members["virtual-size"],
            let size = UInt64(number.text)
        else {
            throw ProgramFailure("qemu-img does not tell the size of '\(file)'")
        }
        return size
    }

    /// Reads the file's disk into a new one that reads as zeros.
    func read(into target: DiskChain) throws {
        try serving(target) { uri in
            try run([
                "convert", "-n", "--target-is-zero", "-f", format.rawValue, "-O", "raw", file.string, uri,
            ])
        }
    }

    private func serving(_ disk: DiskChain, _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fermata-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = NBDServer()
        let socket = FilePath(folder.path).appending("disk")
        try server.listen(at: socket, exports: [Export(disk)], in: .existing)
        defer { server.stop() }
        try body("nbd+unix:///?socket=\(socket)")
    }

    @discardableResult
    private func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["qemu-img"] + arguments
        let output = Pipe()
        let messages = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = messages
        try process.run()
        // Little is said on either, so neither can fill up while the other is read.
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: messages.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let reason =
                process.terminationStatus == 127
                ? "qemu-img is not installed" : complaint.trimmingCharacters(in: .whitespacesAndNewlines)
            throw ProgramFailure("'\(file)' cannot be converted by qemu-img: \(reason)")
        }
        return text
    }
}
