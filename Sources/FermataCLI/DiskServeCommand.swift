// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BlockStorage
import Fermata
import FermataEngine
import NBD
import QEMUDriver
import SystemPackage
import VirtualDisk

/// `fermata disk serve`.
struct DiskServeCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a disk to NBD clients until SIGTERM.",
        discussion: "When clients can connect, the NBD URI is printed on a line of its own.")

    @Argument(help: "The disk's file.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("The Unix socket to listen on.", valueName: "path"), completion: .file())
    var socket: String

    @Flag(help: "Refuse writes.")
    var readOnly: Bool = false

    @OptionGroup var format: DiskFormatOption

    @OptionGroup var sizeMode: DiskSizeModeOption

    func run() async throws {
        let location = try DiskLocation(existing: file)
        let format = try format.format(of: location.path)
        let use = try DiskUse(of: location, format)
        // As long as it lives, nobody can start the machine whose disk is written here.
        let host = readOnly ? nil : try use.claimForWriting()
        if readOnly { try use.checkIsStill() } else { try DiskRecovery.finish(location.path, beneath: location.root) }
        let claim = readOnly ? nil : try DiskClaim(on: location.path, beneath: location.root)
        let disk = try DiskOperation.run {
            try DiskChain.open(
                location.path, beneath: location.root, access: readOnly ? .readOnly : .readWrite, format: format,
                sizeMode: sizeMode.mode)
        }
        disk.tellWarnings()
        let server = NBDServer()
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let signals = StopSignals({ stop.finish() }, again: {})
        let path = FilePath.absolute(socket)
        do throws(NBDError) {
            try server.listen(at: path, exports: [Export(disk)], in: .existing)
        } catch {
            let exitCode = error.code == .invalidAddress ? ProgramFailure.wrongUse : ProgramFailure.failed
            throw ProgramFailure(error.description, exitCode: exitCode)
        }
        defer { withExtendedLifetime((host, claim, signals)) {} }
        var failure: (any Error)?
        do {
            try ProgramOutput.data("nbd+unix:///?socket=\(path.string.percentEncoded)")
            for await _ in stops {}
        } catch {
            failure = error
        }
        server.stop()
        try disk.close()
        if let failure { throw failure }
    }
}

extension String {
    /// The text as a value in a URI's query.
    fileprivate var percentEncoded: String {
        let digits = Array("0123456789ABCDEF")
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/".utf8)
        return utf8.reduce(into: "") { text, byte in
            if plain.contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}
