// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import FoundationXML
import VirtualDisk

/// The file's layout, that of Hyper-V:
/// ```
/// configuration
///  ├─ properties   creation_time (bytes, FILETIME)  global_id  name  notes  version
///  ├─ settings     memory/bank/size (MiB)  processors/count
///  ├─ manifest     size  vdev001 { device  instance  name }
///  ├─ _83f8638b-…_ controller0/drive0 { pathname  type }      IDE's instance holds the first four disks,
///  ├─ _d422512d-…_ controllerN/driveN { pathname  type }      SCSI's the others
///  └─ fermata      what Hyper-V has no element for
/// ```
extension Configuration {
    static let ideController = "83f8638b-8dca-4152-9eda-2ca8b33039b4"
    static let scsiController = "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
    static let ideDrives = 4
    static let forbidden = "forbidden"

    /// The text of the configuration's file.
    func xml() -> [UInt8] {
        let root = XMLElement(name: "configuration")
        root.group("properties") {
            $0.leaf("creation_time", "bytes", Configuration.fileTime(milliseconds: created))
            $0.leaf("global_id", "string", machine.description)
            $0.leaf("name", "string", name)
            $0.leaf("notes", "string", notes ?? "")
            $0.leaf("version", "integer", "260")
        }
        root.group("settings") {
            $0.group("memory") { $0.group("bank") { $0.leaf("size", "integer", "\(memory >> 20)") } }
            $0.group("processors") { $0.leaf("count", "integer", "\(processors)") }
        }
        addControllers(to: root)
        root.group("fermata") { addOwnElements(to: $0) }
        return root.documentBytes
    }

    private func addControllers(to root: XMLElement) {
        let controllers =
            [(Configuration.ideController, "IDE", Array(disks.prefix(Configuration.ideDrives)))]
            + (disks.count > Configuration.ideDrives
                ? [(Configuration.scsiController, "SCSI", Array(disks.dropFirst(Configuration.ideDrives)))] : [])
        root.group("manifest") { manifest in
            manifest.leaf("size", "integer", "\(controllers.count)")
            for (index, controller) in controllers.enumerated() {
                manifest.group("vdev" + String("00\(index + 1)".suffix(3))) {
                    $0.leaf("device", "string", controller.0)
                    $0.leaf("instance", "string", controller.0)
                    $0.leaf("name", "string", "\(controller.1) controller")
                }
            }
        }
        for (identity, _, disks) in controllers {
            let drivesPerController = identity == Configuration.ideController ? 2 : 64
            root.group("_\(identity)_") { element in
                for start in stride(from: 0, to: disks.count, by: drivesPerController) {
                    element.group("controller\(start / drivesPerController)") { controller in
                        for (drive, disk) in disks[start...].prefix(drivesPerController).enumerated() {
                            controller.group("drive\(drive)") {
                                $0.leaf("pathname", "string", disk.path)
                                $0.leaf("type", "string", "VHD")
                            }
                        }
                    }
                }
            }
        }
    }

    private func addOwnElements(to element: XMLElement) {
        element.leaf("version", "integer", "1")
        for (index, disk) in disks.enumerated() { element.leaf("disk\(index)", "string", disk.name) }
        if let boot {
            element.group("boot") {
                $0.leaf("kernel", "string", boot.kernel)
                if let initrd = boot.initrd { $0.leaf("initrd", "string", initrd) }
                $0.leaf("arguments", "string", boot.arguments)
            }
        }
        if devices.hasEntropy { element.leaf("entropy", "bool", "True") }
        if let address = devices.networkAddress {
            element.group("network") { $0.leaf("address", "string", address) }
        }
        if clock != .continue { element.leaf("clock", "string", clock.rawValue) }
        if !allowsCheckpoints { element.leaf("checkpoints", "string", Configuration.forbidden) }
        for (index, ancestor) in ancestors.enumerated() {
            element.leaf("ancestor\(index)", "string", ancestor.description)
        }
        if let owner {
            element.group("owner") {
                $0.leaf("recipe", "string", owner.recipe)
                $0.leaf("definition", "string", owner.definition)
            }
        }
        if let digests, !digests.isEmpty {
            element.group("digests") {
                for (index, digest) in digests.enumerated() { $0.leaf("disk\(index)", "string", digest.description) }
            }
        }
        if let saved {
            element.group("saved") {
                switch saved {
                case .own(let moment): $0.leaf("moment", "string", moment.description)
                case .checkpoint(let id): $0.leaf("checkpoint", "string", id.description)
                }
            }
        }
        if let checkpoint {
            element.group("checkpoint") {
                $0.leaf("kind", "string", checkpoint.kind.rawValue)
                $0.leaf("memory", "bool", checkpoint.hasMemory ? "True" : "False")
                $0.leaf("state", "string", checkpoint.state.rawValue)
                if let moment = checkpoint.moment { $0.leaf("moment", "string", moment.description) }
                $0.leaf("origin", "bool", checkpoint.isOrigin ? "True" : "False")
                if let supersedes = checkpoint.supersedes { $0.leaf("supersedes", "string", supersedes.description) }
                if let id = checkpoint.labCheckpoint {
                    $0.leaf("lab_checkpoint", "string", id.description)
                    if checkpoint.hasOwnName { $0.leaf("own_name", "bool", "True") }
                }
            }
        }
    }

    /// Windows' time, 100 ns since 1601, little-endian in Base64, as Hyper-V writes it.
    static func fileTime(milliseconds: Int64) -> String {
        let ticks = UInt64(max(0, milliseconds + 11_644_473_600_000)) &* 10_000
        return Data((0..<8).map { UInt8(truncatingIfNeeded: ticks >> (8 * $0)) }).base64EncodedString()
    }

    /// The inverse of ``fileTime(milliseconds:)``; nil for anything else.
    static func milliseconds(fileTime: String) -> Int64? {
        guard let data = Data(base64Encoded: fileTime), data.count == 8 else { return nil }
        let ticks = data.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int64(ticks / 10_000) - 11_644_473_600_000
    }
}
