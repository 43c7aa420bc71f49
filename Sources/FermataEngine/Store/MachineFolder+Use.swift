// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension MachineFolder {
    /// Whether a host holds the machine's lock now, be it in this process or in another.
    public var isInUse: Bool { FolderLock.isHeld(path) }

    /// Refuses a machine that a host holds.
    ///
    /// - Throws: ``EngineError/Code/busy``.
    public func requireFree() throws(EngineError) {
        try FolderLock(path, of: "machine '\(name)'").release()
    }
}
