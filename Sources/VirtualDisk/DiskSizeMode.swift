// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Which of its two sizes a VHD is read with.
///
/// Its footer has a size in bytes, and a geometry of cylinders, heads and sectors that most often addresses a little
/// less. Programs differ in which of them they mean.
public enum DiskSizeMode: String, CaseIterable, Hashable, Sendable {
    /// As the program means it that made the disk: by the geometry for Virtual PC and old QEMU, else by the size.
    case auto
    /// The current size in bytes.
    case current
    /// What the geometry addresses.
    case geometry
}
