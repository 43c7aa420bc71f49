// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// The host's disk becomes full in the middle of a checkpoint.
@Suite(.serialized) struct FullDiskTests {
    @Test(.enabled(if: geteuid() == 0, "mounting needs root"))
    func `a checkpoint that fills the disk leaves the state before, and the guest goes on`() async throws {
        try await Self.withMount(megabytes: 640) { try await expectGoesOn(in: $0) }
    }

    /// Does something in a file system of its own, which has that much space.
    static func withMount(megabytes: Int, _ body: (FilePath) async throws -> Void) async throws {
        let place = try TemporaryFolder()
        let mount = try place.makeFolder("mount")
        let mounted = try await Tool("mount").run(
            ["-t", "tmpfs", "-o", "size=\(megabytes)m", "fermata", mount.string])
        try #require(mounted.code == 0, "\(mounted.messages)")
        let outcome: Swift.Result<Void, any Error>
        do { outcome = .success(try await body(mount)) } catch { outcome = .failure(error) }
        let unmounted = try await Tool("umount").run(["--lazy", mount.string])
        #expect(unmounted.code == 0, "\(unmounted.messages)")
        try outcome.get()
    }

    private func expectGoesOn(in mount: FilePath) async throws {
        let lab = try LiveLab(in: mount.appending("lab"))
        let host = try await lab.running()
        _ = try await host.output(
            of: "echo before > /tmp/word; dd if=/dev/urandom of=/dev/vda bs=1M count=4 conv=fsync")
        let first = try await host.checkpoint(CheckpointRequest(name: "first")).id
        _ = try await host.output(of: "echo after > /tmp/word")
        let digest = try await host.output(of: "dd if=/dev/vda bs=1M count=4 iflag=direct 2>/dev/null | sha256sum")
        // First there is room for a part of the memory, then for nothing of it, at last not even for a child.
        for room in [8 << 20, 256 << 10, 0] {
            let ballast = mount.appending("ballast")
            try Self.fill(ballast, leaving: room, in: mount)
            let error = await #expect(throws: EngineError.self) {
                try await host.checkpoint(CheckpointRequest(name: "second"))
            }
            let sentence = error?.description ?? ""
            #expect(sentence.contains("No space left"), "\(room): \(sentence)")
            #expect(!sentence.contains("\n"), "\(room): \(sentence)")
            let files = await host.files
            #expect(files.tree.listed.checkpoints.map(\.name) == ["first"], "\(room)")
            #expect(try MachineRecord(reading: host.folder).tree == files.tree, "\(room)")
            let found = try FileSystem.entries(of: host.folder.snapshots)
            #expect(Set(found) == ["\(files.id)", "\(first)", "\(first).xml"], "\(room)")
            let word = try await host.output(of: "cat /tmp/word")
            #expect(word == "after", "\(room)")
            try FileSystem.remove(ballast)
        }
        // With space again everything goes on: the disk is whole, and the checkpoint can be made.
        let check = "dd if=/dev/vda bs=1M count=4 iflag=direct 2>/dev/null | sha256sum"
        #expect(try await host.output(of: check) == digest)
        let second = try await host.checkpoint(CheckpointRequest(name: "second")).id
        _ = try await host.apply(first)
        #expect(try await host.output(of: "cat /tmp/word") == "before")
        _ = try await host.apply(second)
        #expect(try await host.output(of: "cat /tmp/word") == "after")
        #expect(try await host.output(of: check) == digest)
        try await host.turnOff()
    }

    /// Writes a file that leaves so much space of the file system.
    static func fill(_ path: FilePath, leaving room: Int, in mount: FilePath) throws {
        let file = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        defer { try? file.close() }
        var status = statvfs()
        try #require(unsafe mount.withPlatformString { unsafe statvfs($0, &status) } == 0)
        let size = Int(status.f_bavail) * Int(status.f_frsize) - room
        try #require(posix_fallocate(file.rawValue, 0, off_t(max(size, 1))) == 0)
    }
}
