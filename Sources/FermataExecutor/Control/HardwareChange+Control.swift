// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import SystemPackage

extension HardwareChange {
    /// The members of a request for the change; what is not said is left out.
    var members: [String: JSON] {
        var members: [String: JSON] = [:]
        members["memory"] = memory.map { .integer($0.bytes) }
        members["processors"] = processors.map { .integer($0) }
        members["kernel"] = kernel.map { .string($0.string) }
        members["initrd"] = initrd.map { .string($0.string) }
        members["arguments"] = arguments.map { .string($0) }
        members["notes"] = notes.map { .string($0) }
        members["clock"] = clock.map { .string($0.rawValue) }
        members["checkpoints"] = allowsCheckpoints.map { .bool($0) }
        members["detach"] = detach.isEmpty ? nil : .array(detach.map { .string($0) })
        if discardsDetached { members["discardDetached"] = true }
        members["attach"] = attach.isEmpty ? nil : .array(attach.map { .object($0.members) })
        return members
    }

    /// Reads a request for a change.
    init(_ message: ControlMessage) throws(ControlViolation) {
        var disks: [NewDisk] = []
        for disk in try message.objects("attach") ?? [] { disks.append(try NewDisk(disk)) }
        self.init(
            memory: try message.integer("memory").map { ByteSize(bytes: $0) },
            processors: try message.integer("processors"), kernel: try message.text("kernel").map { FilePath($0) },
            initrd: try message.text("initrd").map { FilePath($0) }, arguments: try message.text("arguments"),
            notes: try message.text("notes"), clock: try message.word("clock"),
            allowsCheckpoints: message.members["checkpoints"] == nil ? nil : try message.flag("checkpoints"),
            detach: try message.texts("detach") ?? [], discardsDetached: try message.flag("discardDetached"),
            attach: disks)
    }

    /// The change with the paths of its files made absolute: the host may have another current folder.
    func pathsAbsolute(in folder: FilePath) -> HardwareChange {
        var change = self
        change.kernel = kernel.map { folder.pushing($0) }
        change.initrd = initrd.map { folder.pushing($0) }
        return change
    }
}

extension HardwareChange.NewDisk {
    fileprivate var members: [String: JSON] {
        switch content {
        case .empty(let size, let format):
            ["name": .string(name), "size": .integer(size.bytes), "format": .string(format.rawValue)]
        case .file(let file): ["name": .string(name), "file": .string(file)]
        }
    }

    fileprivate init(_ message: ControlMessage) throws(ControlViolation) {
        let name = try message.requiredText("name")
        if let file = try message.text("file") {
            self.init(name: name, content: .file(file))
        } else {
            let size = ByteSize(bytes: try message.requiredInteger("size"))
            self.init(name: name, content: .empty(size, try message.required(message.word("format"), "format")))
        }
    }
}
