// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk check`.
struct DiskCheckCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "check", abstract: "Check every rule of a disk's format, and repair what can be repaired.",
        discussion: """
            Exits with 1 when the disk is damaged. A repair also finishes an operation that was interrupted; it loses \
            no data, and keeps the bytes that it replaces in a file beside the disk.
            """)

    @Argument(help: "The disk's file.", completion: .file())
    var file: String

    @Flag(help: "Repair what can be repaired without losing data.")
    var repair: Bool = false

    @OptionGroup var format: DiskFormatOption

    @OptionGroup var sizeMode: DiskSizeModeOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func validate() throws {
        guard repair, sizeMode.mode != .auto else { return }
        throw ValidationError("A disk is repaired by the size that its maker means: leave --size-mode out")
    }

    func run() async throws {
        let location = try DiskLocation(existing: file)
        let format = try format.format(of: location.path)
        let use = try DiskUse(of: location, format)
        try use.checkIsStill()
        let check = try DiskOperation.run {
            repair
                ? try DiskCheck.repair(location.path, beneath: location.root, format: format)
                : try DiskCheck.check(
                    location.path, beneath: location.root, format: format, sizeMode: sizeMode.mode)
        }
        try ProgramOutput.data(json ? check.json.pretty : check.text)
        guard check.isOK else {
            let advice =
                !repair && check.problems.contains(where: \.isRepairable) ? "; --repair repairs what can be" : ""
            throw ProgramFailure("'\(file)' is damaged\(advice)")
        }
    }
}

extension DiskCheck {
    /// The document about the check.
    fileprivate var json: JSON {
        .members([
            "format": "fermata-disk-check", "version": 1, "ok": .bool(isOK), "path": .string(path.string),
            "problems": .array(problems.map(\.json)), "repaired": .array(repaired.map(\.json)),
            "backup": backup.map { .string($0.string) },
        ])
    }

    fileprivate var text: String {
        var rows = [["path", path.string], ["state", isOK ? "ok" : "damaged"]]
        for problem in repaired { rows.append(["repaired", problem.message]) }
        if let backup { rows.append(["replaced bytes", backup.string]) }
        for problem in problems {
            rows.append([problem.isRepairable ? "can be repaired" : "problem", problem.message])
        }
        return table(rows)
    }
}

extension DiskProblem {
    fileprivate var json: JSON {
        .members(["code": .string(code), "message": .string(message), "repairable": .bool(isRepairable)])
    }
}
