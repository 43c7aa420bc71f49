// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import Foundation
import SystemPackage

/// `fermata doctor`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "doctor", abstract: "Look for everything in a lab that is not as it should be.",
        discussion: """
            Looks at configurations, disks, memory, boot files and leftovers, and says of each finding what mends it. It \
            changes nothing without --fix, and reads neither the data of disks nor the pages of memory. Exits with 1 \
            when something is left that is not as it should be.
            """)

    @OptionGroup var store: StoreOption

    @Flag(help: "Mend what can be mended without losing anything.")
    var fix: Bool = false

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let path = Lab.find(store: try store.checked().map { FilePath($0) })
        guard FileManager.default.fileExists(atPath: path.string) else {
            throw ProgramFailure("there is no folder \(path)", exitCode: ProgramFailure.wrongUse)
        }
        let found = try Lab.examine(path)
        var left = found
        var reasons: [Finding: String] = [:]
        if fix {
            for (finding, reason) in found.fix() { reasons[finding] = "\(reason)" }
            left = try Lab.examine(path)
        }
        let mended = found.findings.filter { finding in
            !left.findings.contains { $0.code == finding.code && $0.path == finding.path }
        }
        try ProgramOutput.data(
            json
                ? Self.json(left.findings, mended).pretty
                : Self.text(left.findings, mended, reasons, of: found.lab.path))
        guard left.findings.isEmpty else {
            let count = left.findings.count
            throw ProgramFailure(
                count == 1 ? "1 thing is not as it should be" : "\(count) things are not as they should be")
        }
    }

    private static func json(_ findings: [Finding], _ mended: [Finding]) -> JSON {
        [
            "format": "fermata-doctor", "version": 1, "ok": .bool(findings.isEmpty),
            "problems": .array(findings.map(\.json)), "mended": .array(mended.map(\.json)),
        ]
    }

    private static func text(
        _ findings: [Finding], _ mended: [Finding], _ reasons: [Finding: String], of lab: FilePath
    ) -> String {
        var lines = mended.map { "mended  \($0)" }
        for finding in findings {
            lines.append("\(finding.code)  \(finding)")
            lines.append("  to mend it: \(finding.remedy)")
            if let reason = reasons[finding] { lines.append("  not mended: \(reason)") }
        }
        if findings.isEmpty { lines.append("\(lab): everything is as it should be") }
        return lines.joined(separator: "\n")
    }
}

extension Finding {
    fileprivate var json: JSON {
        [
            "code": .string(code), "path": .string(path.string), "message": .string(message),
            "remedy": .string(remedy), "fixable": .bool(isFixable),
        ]
    }
}
