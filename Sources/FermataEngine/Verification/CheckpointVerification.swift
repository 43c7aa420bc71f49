// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import SystemPackage

/// What a look at everything that a checkpoint needs has found.
public struct CheckpointVerification: Hashable, Sendable {
    /// Something that is not as it was when the checkpoint was made.
    public struct Problem: Hashable, Sendable, CustomStringConvertible {
        /// The file concerned.
        public var path: FilePath
        /// What is wrong with it, the rest of the sentence.
        public var message: String

        /// One sentence.
        public var description: String { "\(path): \(message)" }
    }

    /// The checkpoint.
    public var id: GUID
    /// Its name.
    public var name: CheckpointName
    /// Whether what its disks read as was not worked out yet, so that their content could not be compared.
    public var isPending: Bool
    /// What was found.
    public var problems: [Problem]

    /// Whether nothing was found.
    public var isOK: Bool { problems.isEmpty }
}

extension MachineFolder {
    /// Reads everything that checkpoints need and compares it with what was recorded; changes nothing, and needs no lock.
    ///
    /// - Parameters:
    ///   - checkpoints: those that are looked at, in this order; one that is deleted meanwhile is left out.
    ///   - body: told of each when it was read.
    public func verify(
        _ checkpoints: [GUID], told body: (CheckpointVerification) throws -> Void = { _ in }
    ) throws -> [CheckpointVerification] {
        var results: [CheckpointVerification] = []
        var verifier = try Verifier(MachineRecord(reading: self))
        for id in checkpoints {
            var result = verifier.verify(id)
            // A host may merge or delete under our eyes: what is still wrong when it is looked at anew is wrong.
            var attempts = 1
            while let found = result, !found.isOK, isInUse, attempts < 3 {
                verifier = try Verifier(MachineRecord(reading: self))
                result = verifier.verify(id)
                attempts += 1
            }
            guard let result else { continue }
            results.append(result)
            try body(result)
        }
        return results
    }
}
