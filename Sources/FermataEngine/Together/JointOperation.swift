// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// A machine's part in what several machines of a lab do at one moment, or not at all.
public enum JointOperation: Hashable, Sendable {
    /// It holds this moment, as a checkpoint of that identity, which exists once the lab's does.
    case checkpoint(CheckpointRequest, as: GUID)
    /// Its now becomes equal to a checkpoint, by a restore of that identity; what it was goes to the trash, or for good.
    case restore(GUID, RestoreEnding, by: GUID, toTrash: Bool)
    /// It forgets its checkpoint of a lab's.
    case delete(GUID, of: GUID)
    /// Its checkpoint of a lab's gets another name.
    case rename(GUID, to: CheckpointName, of: GUID)

    /// At what its machine waits for all the others before the commit.
    var stages: [Rendezvous.Stage] {
        switch self {
        case .checkpoint: [.prepared, .stopped, .captured]
        case .restore: [.prepared]
        case .delete, .rename: []
        }
    }
}

/// What has become of a machine in an operation of several.
public struct JointOutcome: Hashable, Sendable {
    /// How long the guest stood still, in microseconds, where that is known.
    public var pauseMicroseconds: Int64?
    /// How a restored machine came to its state.
    public var way: RestoreOutcome.Way?

    /// Makes an outcome.
    public init(pauseMicroseconds: Int64? = nil, way: RestoreOutcome.Way? = nil) {
        self.pauseMicroseconds = pauseMicroseconds
        self.way = way
    }
}

/// A machine that can take part in an operation of several, wherever it is hosted.
public protocol LabMember: Sendable {
    /// The machine's folder.
    var folder: MachineFolder { get }

    /// Does the machine's part, and returns once it has happened.
    ///
    /// - Throws: ``EngineError/Code/stale`` when another machine could not do its part, and so nothing has happened.
    func join(_ operation: JointOperation, at meeting: Rendezvous) async throws -> JointOutcome
}
