// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import SystemPackage

/// Something that is done to a machine or a lab, which has happened or has not wherever it is cut off.
struct FileCallOperation: Sendable, CustomStringConvertible {
    var kind: FileCallLab.Kind
    var machine: String
    /// What lab-host does, one after another; each of them is one that has happened or has not.
    var words: [String]
    /// Whether a machine boots, so that its memory differs each time.
    var boots: Bool { words.contains("start") && kind == .tree }
    /// Whether nobody may see a difference afterwards.
    var isUnseen: Bool { ["clean", "open", "detach=extra"].contains(words.last) }

    var description: String { "\(kind.rawValue) \(machine): \(words.joined(separator: ", "))" }

    /// What the next commands that write do to what was left.
    var recovery: FileCallOperation { FileCallOperation(kind, "clean", "open", of: machine) }

    init(_ kind: FileCallLab.Kind, _ words: String..., of machine: String = "web") {
        self.kind = kind
        self.words = words
        self.machine = machine
    }

    /// The arguments of lab-host for a lab.
    ///
    /// - Parameter count: how many of the operations are done.
    func arguments(_ lab: FileCallLab, _ count: Int? = nil) -> [String] {
        let words = words.prefix(count ?? words.count).map { $0.replacing("PLACE", with: lab.place.string) }
        return [lab.lab.path.string, machine, "simulated", "strict"] + words
            + (changesLab ? [] : ["agree"])
    }

    private var changesLab: Bool {
        words.contains {
            $0.hasSuffix("-machine") || $0.hasPrefix("rename-") || $0.hasPrefix("import") || $0 == "clean"
        }
    }

    static let all: [FileCallOperation] = [
        FileCallOperation(.empty, "make-machine"),

        FileCallOperation(.tree, "checkpoint=new"),
        FileCallOperation(.tree, "disk-only=new"),
        FileCallOperation(.tree, "replace=leaf"),
        FileCallOperation(.tree, "replace=other"),
        FileCallOperation(.tree, "apply=root"),
        FileCallOperation(.tree, "apply=inner"),
        FileCallOperation(.tree, "apply=other"),
        FileCallOperation(.tree, "revert"),
        FileCallOperation(.tree, "delete=leaf"),
        FileCallOperation(.tree, "delete=inner"),
        FileCallOperation(.tree, "delete=other"),
        FileCallOperation(.tree, "delete=root"),
        FileCallOperation(.tree, "subtree=inner"),
        FileCallOperation(.tree, "children=inner"),
        FileCallOperation(.tree, "rename=inner=another"),
        FileCallOperation(.tree, "memory=2097152"),
        FileCallOperation(.tree, "attach=extra"),
        FileCallOperation(.tree, "attach-vhdx=extra"),
        FileCallOperation(.tree, "detach=data"),
        FileCallOperation(.tree, "attach=extra", "detach=extra"),
        FileCallOperation(.tree, "attach=extra", "checkpoint=new", "apply=leaf", "delete=new"),
        FileCallOperation(.tree, "attach-vhdx=extra", "revert"),
        FileCallOperation(.tree, "fork=inner=twin"),
        FileCallOperation(.tree, "export=inner=PLACE/out/folder"),
        FileCallOperation(.tree, "export-flat=leaf=PLACE/out/folder"),
        FileCallOperation(.tree, "import=PLACE/exported", of: "imported"),
        FileCallOperation(.tree, "make-machine", of: "another"),
        FileCallOperation(.tree, "remake-machine"),
        FileCallOperation(.tree, "delete-machine"),
        FileCallOperation(.tree, "rename-machine=renamed"),
        FileCallOperation(.tree, "start", "checkpoint=new", "off"),
        FileCallOperation(.tree, "start", "disk-only=new", "off"),
        FileCallOperation(.tree, "start", "replace=leaf", "off"),
        FileCallOperation(.tree, "start", "save"),
        FileCallOperation(.tree, "start", "apply=inner", "off"),
        FileCallOperation(.tree, "start", "revert"),
        FileCallOperation(.tree, "start", "delete=inner", "merge", "off"),
        FileCallOperation(.tree, "start", "delete=leaf", "merge", "off"),
        FileCallOperation(.tree, "start", "delete=root", "merge", "off"),
        FileCallOperation(.tree, "start", "fork=inner=twin", "off"),

        FileCallOperation(.saved, "off"),
        FileCallOperation(.saved, "start", "off"),
        FileCallOperation(.saved, "start", "checkpoint=new", "off"),
        FileCallOperation(.saved, "checkpoint=new"),
        FileCallOperation(.saved, "disk-only=new"),
        FileCallOperation(.saved, "delete=held"),
        FileCallOperation(.saved, "delete=inner"),
        FileCallOperation(.saved, "apply=root"),
        FileCallOperation(.saved, "apply=held", "delete=held"),
        FileCallOperation(.saved, "fork=held=twin"),
        FileCallOperation(.saved, "delete-machine"),

        FileCallOperation(.forks, "fork=inner=twin"),
        FileCallOperation(.forks, "fork=own=twin", of: "fork"),
        FileCallOperation(.forks, "promote", of: "fork"),
        FileCallOperation(.forks, "delete=inner"),
        FileCallOperation(.forks, "subtree=inner"),
        FileCallOperation(.forks, "delete=own", of: "fork"),
        FileCallOperation(.forks, "start", "off", of: "fork"),
        FileCallOperation(.forks, "checkpoint=new", of: "fork"),
        FileCallOperation(.forks, "rename-machine=renamed"),
        FileCallOperation(.forks, "rename-machine=renamed", of: "fork"),
        FileCallOperation(.forks, "delete-machine", of: "third"),
        FileCallOperation(.forks, "export=own=PLACE/out/folder", of: "fork"),
    ]
}
