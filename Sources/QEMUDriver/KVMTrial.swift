// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Whether KVM really runs guests here, which the presence of `/dev/kvm` does not tell.
///
/// Some hosts offer the device and emulate only the first steps of a guest. So the processor must have the extension
/// that hardware virtualization needs, and the firmware of a trial machine must say its first byte.
enum KVMTrial {
    /// How long the firmware may be silent.
    private static let limit: CInt = 5000

    static func works(_ program: FilePath) async -> Bool {
        guard unsafe access("/dev/kvm", R_OK | W_OK) == 0, hasExtension(), let pair = try? Descriptor.pair() else {
            return false
        }
        let trial = try? await QEMUProcess.start(
            program, name: "the trial of KVM", log: nil,
            arguments: [
                "-accel", "kvm", "-machine", "q35", "-m", "16", "-chardev", "socket,id=debug,fd=4", "-device",
                "isa-debugcon,iobase=0x402,chardev=debug",
            ], descriptors: [pair.there], handedOver: [pair.there], afterwards: { _ in })
        guard let trial else { return false }
        let said = await BlockingWork.run {
            var waiting = pollfd(fd: pair.here.raw, events: Int16(POLLIN), revents: 0)
            var byte: UInt8 = 0
            guard unsafe poll(&waiting, 1, limit) > 0 else { return false }
            return unsafe read(pair.here.raw, &byte, 1) == 1
        }
        await trial.end()
        return said
    }

    /// The flags `vmx` (Intel) or `svm` (AMD) of the first processor.
    private static func hasExtension() -> Bool {
        guard let file = try? Descriptor.open("/proc/cpuinfo", .readOnly) else { return false }
        var buffer = [UInt8](repeating: 0, count: 16384)
        let count = unsafe read(file.raw, &buffer, buffer.count)
        guard count > 0 else { return false }
        let words = buffer[..<count].split(whereSeparator: { $0 == 0x20 || $0 == 0x0A })
        return words.contains { $0.elementsEqual("vmx".utf8) || $0.elementsEqual("svm".utf8) }
    }
}
