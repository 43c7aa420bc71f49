// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

extension Console {
    /// What a machine's guests wrote, as far back as the log goes; nobody need host the machine.
    public static func log(of machine: GUID, in lab: LabFolder) throws(EngineError) -> [UInt8] {
        let log = lab.consoleLog(machine)
        var bytes: [UInt8] = []
        for file in [older(log), log] where FileSystem.exists(file) {
            bytes += try FileSystem.read(file, limit: 2 * logLimit)
        }
        return bytes
    }
}
