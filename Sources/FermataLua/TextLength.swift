// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

extension Action {
    /// The bytes of the texts that the step holds.
    var textLength: Int {
        let own =
            switch self {
            case .start, .shutDown, .turnOff, .pause, .resume, .save, .reset, .waitForReboot, .revert: 0
            case .type(_, let text): text.utf8.count
            case .waitForConsole(_, .plain(let text), _), .waitForConsole(_, .pattern(let text), _): text.utf8.count
            case .run(_, let command, let expect, _): command.textLength + expect.textLength
            case .checkpoint(let name, _, _, let notes, _): name.description.utf8.count + (notes?.utf8.count ?? 0)
            case .renameCheckpoint(let name, _, let new): name.description.utf8.count + new.description.utf8.count
            case .apply(let name, _), .deleteCheckpoint(let name, _, _): name.description.utf8.count
            case .exportCheckpoint(let name, _, let place, _, _): name.description.utf8.count + place.utf8.count
            case .fork(let name, _, let checkpoint):
                name.description.utf8.count + (checkpoint?.description.utf8.count ?? 0)
            case .change(_, let change): (change.arguments?.utf8.count ?? 0) + (change.notes?.utf8.count ?? 0)
            case .attach(_, let disk): disk.name.utf8.count
            case .detach(_, let disk): disk.utf8.count
            }
        return own + (machine?.description.utf8.count ?? 0)
    }
}

extension Action.Command {
    fileprivate var textLength: Int {
        switch self {
        case .shell(let text): text.utf8.count
        case .arguments(let texts): texts.textLength
        }
    }
}

extension Expectation {
    fileprivate var textLength: Int { contains.textLength + lacks.textLength + (equals?.utf8.count ?? 0) }
}

extension MachineDefinition {
    /// The bytes of the texts that the definition holds.
    var textLength: Int {
        let files = [boot?.kernel, boot?.initrd, boot?.arguments].compactMap(\.self)
        return name.description.utf8.count + files.textLength + disks.map(\.name).textLength
    }
}

extension [String] {
    /// The bytes of all texts, and what keeping each takes.
    fileprivate var textLength: Int { reduce(0) { $0 + $1.utf8.count + 16 } }
}
