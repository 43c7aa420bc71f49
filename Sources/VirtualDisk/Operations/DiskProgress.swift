// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

/// Hears how far an operation is: the bytes that are done, and all that are to be.
///
/// What it throws ends the operation, such as ``BlockStorage/StorageError/Code/cancelled``; while it waits, so does the
/// operation.
public typealias DiskProgress = @Sendable (_ done: UInt64, _ total: UInt64) throws(StorageError) -> Void
