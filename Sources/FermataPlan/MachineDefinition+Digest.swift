// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import Hashing

extension MachineDefinition {
    /// The SHA-256 that tells one definition from another: over its canonical JSON, without its location, and with the
    /// digests of its boot files' contents in place of their paths.
    ///
    /// So a kernel that changed makes another machine, and one that only moved does not. Nil when a digest is missing.
    public func digest(files: [String: Digest]) -> Digest? {
        var value: [String: JSON] = [
            "format": "fermata-machine",
            "version": 1,
            "name": .string(name.description),
            "memory": .integer(memory.bytes),
            "processors": .integer(processors),
            "disks": .array(disks.map(\.jsonValue)),
        ]
        if hasNetwork { value["network"] = true }
        if clock != .continue { value["clock"] = .string(clock.rawValue) }
        if let boot {
            guard let kernel = files[boot.kernel] else { return nil }
            var contents: [String: JSON] = ["kernel": .string(kernel.description)]
            if let path = boot.initrd {
                guard let initrd = files[path] else { return nil }
                contents["initrd"] = .string(initrd.description)
            }
            contents["arguments"] = boot.arguments.map { .string($0) }
            value["boot"] = .object(contents)
        }
        return SHA256.digest(of: JSON.object(value).compact.utf8)
    }
}
