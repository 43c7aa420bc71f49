// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Recipe {
    /// The paths of the folders that the recipe's steps make, as written, each once, in the order in which they are named.
    ///
    /// Relative ones stand for folders beside the recipe; whoever looks at them knows its folder.
    public var outputFolders: [String] {
        var seen: Set<String> = []
        return steps.compactMap { step in
            guard case .exportCheckpoint(_, _, let place, _, _) = step.action else { return nil }
            return seen.insert(place).inserted ? place : nil
        }
    }

    /// The names of the machines that the recipe's steps fork, in their order.
    public var forks: [MachineName] {
        steps.compactMap { step in
            if case .fork(let name, _, _) = step.action { name } else { nil }
        }
    }
}
