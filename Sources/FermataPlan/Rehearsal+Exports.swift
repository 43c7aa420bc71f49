// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Checkpoints that steps write to folders outside of the lab.
extension Rehearsal {
    /// Exports a checkpoint as the step does; notes what is not there, and a folder that cannot be made.
    mutating func export(
        _ checkpoint: CheckpointName, _ index: Int, to path: String, memory: Bool, _ place: Place,
        _ findings: inout Findings
    ) {
        if let moment = machines[index].moment(named: checkpoint) {
            if memory, moment.states == [.off] {
                findings.error(
                    .wrongState, place,
                    "checkpoint \(checkpoint.quoted) of machine \(machines[index].name.quoted) has no memory to export",
                    suggestion: "leave its memory out")
            }
        } else {
            unknown(checkpoint, index, place, &findings)
        }
        check(path, place, &findings)
    }

    private mutating func check(_ path: String, _ place: Place, _ findings: inout Findings) {
        // What is wrong with the text itself was noted.
        guard !path.isEmpty, !path.unicodeScalars.contains(where: \.isControl) else { return }
        var absolute = path
        switch folders[path] {
        case .free(let path)?: absolute = path
        case nil: break
        case .exists?:
            findings.error(
                .folderExists, place, "\(path.quoted), which the step is to make, exists already",
                suggestion: "choose another folder, or remove it")
        case .noParent?:
            findings.error(
                .missingFile, place, "the folder in which \(path.quoted) is to be made does not exist",
                suggestion: path.hasPrefix("/") ? "make it first" : "make it first: paths begin at the recipe's folder")
        case .inLab?:
            findings.error(
                .invalidValue, place, "\(path.quoted), which the step is to make, lies in the lab",
                suggestion: "choose a folder outside of it")
        case .unreadable(let reason)?:
            findings.error(
                .missingFile, place, "\(path.quoted), which the step is to make, cannot be looked at: \(reason)")
        }
        if let earlier = made[absolute] {
            let step = earlier.at.map { "the step at \($0)" } ?? "step \(earlier.step ?? 0)"
            findings.error(
                .folderExists, place, "\(path.quoted), which the step is to make, is made by \(step) already",
                suggestion: "choose another folder")
        }
        made[absolute] = made[absolute] ?? place
    }
}
