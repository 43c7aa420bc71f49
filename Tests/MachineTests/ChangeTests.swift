// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import QMP
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine
@testable import QEMUDriver

/// A machine whose hardware changes between its checkpoints.
@Suite(.serialized) struct ChangeTests {
    /// What the guest and QEMU see of a machine.
    private struct Sight: Hashable {
        /// Disks as the guest names them by their serial numbers, with their sizes in sectors.
        var disks: [String]
        var processors: String
        var mebibytes: Int
        var arguments: String
        /// What the file holds that a changed initial RAM disk has more.
        var mark: String
        /// The block devices that QEMU has.
        var blocks: [String]

        init(_ host: MachineHost) async throws {
            let text = try await host.output(
                of: "for disk in /sys/block/vd?; do echo $(cat $disk/serial) $(cat $disk/size); done")
            disks = text.split(separator: "\n").map(String.init)
            processors = try await host.output(of: "nproc")
            let total = try await host.output(of: "awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo")
            mebibytes = Int(total) ?? 0
            arguments = try await host.output(of: "cat /proc/cmdline")
            mark = try await host.output(of: "cat /mark 2> /dev/null; true")
            guard let machine = await host.running?.process as? QEMUMachine else { throw Errno.notSupported }
            let answer = try await machine.process.monitor.execute("query-block")
            blocks = (answer.array ?? []).compactMap { $0["inserted"]?["node-name"]?.string }.sorted()
        }
    }

    @Test func `a restore brings back memory, processors, disks and boot files of its time`() async throws {
        let lab = try LiveLab()
        let files = try TemporaryFolder()
        let guest = try TinyGuest.find()
        let (kernel, initrd) = (files.appending("kernel"), files.appending("initrd"))
        try FileManager.default.copyItem(atPath: guest.kernel.string, toPath: kernel.string)
        try FileManager.default.copyItem(atPath: guest.initrd.string, toPath: initrd.string)
        let folder = try lab.folder.createMachine(
            MachineDefinition(
                name: "web", memory: .mebibytes(160),
                boot: .init(
                    kernel: kernel.string, initrd: initrd.string, arguments: "\(TinyGuest.arguments) mark=small"),
                disks: [.init(name: "system", size: .mebibytes(8))]), file: { FilePath($0) })
        let host = try lab.host(folder.name)
        try await ready(host)
        let small = try await Sight(host)
        #expect(small.disks == ["system 16384"] && small.processors == "1" && (100...160).contains(small.mebibytes))
        #expect(small.blocks == ["disk0"] && small.mark.isEmpty && small.arguments.hasSuffix("mark=small"))
        _ = try await host.output(of: "echo small > /tmp/word; echo small | dd of=/dev/vda conv=fsync 2>/dev/null")
        let checkpoint = try await host.checkpoint(CheckpointRequest(name: "small")).id
        try await host.turnOff()

        // The kernel's file is no kernel any more, and the initial RAM disk has a file more: what the machine boots is
        // its own copy, until it is told otherwise.
        try Data("no kernel".utf8).write(to: URL(fileURLWithPath: kernel.string))
        let image = try Data(contentsOf: URL(fileURLWithPath: initrd.string))
        try (image + Self.archive(behind: image.count, holding: "changed", as: "mark"))
            .write(to: URL(fileURLWithPath: initrd.string))
        try await host.change(
            HardwareChange(
                memory: .mebibytes(224), processors: 2, arguments: "\(TinyGuest.arguments) mark=large",
                attach: [.init(name: "data", content: .empty(.mebibytes(4), .vhdx))]))
        try await ready(host)
        let large = try await Sight(host)
        #expect(large.disks == ["system 16384", "data 8192"] && large.processors == "2")
        #expect(large.mebibytes > small.mebibytes + 40)
        #expect(large.blocks == ["disk0", "disk1"] && large.arguments.hasSuffix("mark=large"))
        _ = try await host.output(of: "echo large > /tmp/word; echo large | dd of=/dev/vdb conv=fsync 2>/dev/null")
        let later = try await host.checkpoint(CheckpointRequest(name: "large")).id

        #expect(try await host.apply(checkpoint).way == .freshProcess)
        #expect(try await Sight(host) == small)
        #expect(try await host.output(of: "cat /tmp/word; head -c 5 /dev/vda") == "small\nsmall")
        // What it boots next is of that time, too.
        try await host.reset()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        #expect(try await Sight(host) == small)
        try await host.turnOff()
        try await ready(host)
        #expect(try await Sight(host) == small)

        #expect(try await host.apply(later).way == .freshProcess)
        #expect(try await Sight(host) == large)
        #expect(try await host.output(of: "cat /tmp/word; head -c 5 /dev/vdb") == "large\nlarge")
        try await host.turnOff()
        await host.close()

        // Machines that are made now get what the files hold now.
        func made(_ name: MachineName, kernel: FilePath) throws -> MachineHost {
            let definition = MachineDefinition(
                name: name, memory: .mebibytes(160),
                boot: .init(kernel: kernel.string, initrd: initrd.string, arguments: TinyGuest.arguments))
            _ = try lab.folder.createMachine(definition, file: { FilePath($0) })
            return try lab.host(name)
        }
        let marked = try made("marked", kernel: guest.kernel)
        try await ready(marked)
        #expect(try await Sight(marked).mark == "changed")
        await marked.close()
        let broken = try made("broken", kernel: kernel)
        await #expect(throws: HypervisorError.self) { try await broken.start() }
        await broken.close()
    }

    /// A cpio archive of one file, which goes behind an initial RAM disk of a length.
    private static func archive(behind length: Int, holding text: String, as name: String) -> Data {
        func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4) }
        func entry(_ name: String, mode: Int, _ contents: [UInt8]) -> [UInt8] {
            // The number of the file, its mode, owner, group, links and time; its size, four devices, the name's length.
            let fields = [1, mode, 0, 0, 1, 0, contents.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
            let header = "070701" + fields.map { String($0 | 1 << 32, radix: 16).suffix(8) }.joined()
            return padded(Array(header.utf8) + Array(name.utf8) + [0]) + padded(contents)
        }
        let start = [UInt8](repeating: 0, count: (4 - length % 4) % 4)
        return Data(start + entry(name, mode: 0o100644, Array(text.utf8)) + entry("TRAILER!!!", mode: 0, []))
    }

    private func ready(_ host: MachineHost) async throws {
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
    }
}
