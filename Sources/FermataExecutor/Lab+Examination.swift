// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import SystemPackage

extension Lab {
    /// Looks at everything in the lab, and whether its machines can be reached; changes nothing.
    ///
    /// - Throws: when the folder itself cannot be read; what is wrong in it is found, not thrown.
    public static func examine(_ path: FilePath) throws(EngineError) -> Examination {
        var examination = try Examination(of: path)
        for folder in (try? examination.lab.machines()) ?? [] {
            do throws(EngineError) {
                guard let address = try ControlAddress(of: folder, makingFolder: false), address.isStale else {
                    continue
                }
                examination.add(
                    Finding(
                        "socket-stale", address.path,
                        "a host of machine '\(folder.name)' has left its socket, and nobody listens on it",
                        fix: folder.isInUse ? nil : .remove))
            } catch {
                examination.add(
                    Finding("socket-shared", folder.path, "\(error)", remedy: "do what the sentence says"))
            }
        }
        return examination
    }
}
