// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Recipe {
    /// The paths of the files that the recipe reads, as written, each once, in the order in which they are named.
    ///
    /// Relative ones stand for files beside the recipe; whoever looks at them knows its folder.
    public var inputFiles: [String] {
        var seen: Set<String> = []
        return machines.flatMap(\.inputFiles).filter { seen.insert($0).inserted }
    }
}

extension MachineDefinition {
    /// The paths of the files that the machine is made from, as written.
    public var inputFiles: [String] {
        guard let boot else { return [] }
        return [boot.kernel] + (boot.initrd.map { [$0] } ?? [])
    }
}
