// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Whoever embeds Fermata plans and runs recipes, and acts on machines live.
@_exported public import FermataEngine
@_exported public import FermataExecutor
@_exported public import FermataPlan
@_exported public import QEMUDriver
public import SystemPackage

extension Lab {
    /// Names a lab whose machines run on QEMU, by the absolute path of its folder.
    public init(at path: FilePath, settings: HostSettings = HostSettings()) {
        self.init(at: path, hypervisor: QEMUDriver(), settings: settings)
    }
}
