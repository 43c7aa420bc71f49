// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import FermataModel

/// Whether checkpoints of a machine can be made.
enum CheckpointPolicy: String, ExpressibleByArgument {
    case allowed
    case forbidden
}

extension ClockPolicy: ExpressibleByArgument {}

extension CheckpointTree.Checkpoint.Kind: ExpressibleByArgument {}
