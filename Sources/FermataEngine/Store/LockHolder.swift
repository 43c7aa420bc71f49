// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc

/// The process that holds a lock, as far as the system tells: it may belong to another container.
struct LockHolder: CustomStringConvertible {
    private let process: pid_t

    /// Looks for the process that holds the lock of an open folder.
    init?(of descriptor: CInt) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0,
            let locks = try? String(contentsOfFile: "/proc/locks", encoding: .utf8)
        else { return nil }
        let device = UInt64(status.st_dev)
        let numbers = (
            major: device >> 32 & 0xFFFF_F000 | device >> 8 & 0xFFF, minor: device >> 12 & 0xFFFF_FF00 | device & 0xFF
        )
        for line in locks.split(separator: "\n") {
            // 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
            let fields = line.split(separator: " ")
            guard fields.count >= 6, fields[1] == "FLOCK", let process = pid_t(fields[4]), process > 0 else { continue }
            let place = fields[5].split(separator: ":")
            guard place.count == 3, UInt64(place[0], radix: 16) == numbers.major,
                UInt64(place[1], radix: 16) == numbers.minor, UInt64(place[2]) == UInt64(status.st_ino)
            else { continue }
            self.process = process
            return
        }
        return nil
    }

    /// The process's number and command: `process 4711 (fermata disk serve a.vhd)`.
    var description: String {
        if process == getpid() { return "this process" }
        let bytes = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        let command = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        return command.isEmpty ? "process \(process)" : "process \(process) (\(command.shortened(to: 100)))"
    }
}
