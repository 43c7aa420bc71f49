// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What executes a guest's instructions.
public enum Accelerator: String, Hashable, Sendable {
    /// QEMU's translator; works everywhere.
    case tcg
    /// The processor itself, through the kernel.
    case kvm
}
