// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Hears how far an operation is: the bytes that are done, and all that are to be.
public typealias DiskProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void
