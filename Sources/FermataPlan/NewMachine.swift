// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import Hashing

/// A machine to be made.
public struct NewMachine: Hashable, Sendable {
    /// Its hardware and disks.
    public var definition: MachineDefinition
    /// The recipe and the digest that its configuration names.
    public var owner: RecipeOwnership
    /// Its boot files as the inventory found them.
    public var files: [InputFile]

    /// Makes a description.
    public init(definition: MachineDefinition, owner: RecipeOwnership, files: [InputFile]) {
        self.definition = definition
        self.owner = owner
        self.files = files
    }

    /// A file that the machine is made from.
    public struct InputFile: Hashable, Sendable {
        /// Its path as written in the recipe.
        public var path: String
        /// The digest of its contents.
        public var digest: Digest
        /// Its size.
        public var size: ByteSize

        /// Makes a description.
        public init(path: String, digest: Digest, size: ByteSize) {
            self.path = path
            self.digest = digest
            self.size = size
        }
    }
}
