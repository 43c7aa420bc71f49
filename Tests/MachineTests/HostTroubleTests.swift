// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// The host's disk is full or fails under a guest that writes, flushes and checks all the time.
@Suite(.serialized) struct HostTroubleTests {
    @Test(.enabled(if: geteuid() == 0, "mounting needs root"), arguments: [false, true])
    func `a machine whose host has no space left is paused, and goes on once there is some`(
        isSavedFirst: Bool
    ) async throws {
        try await FullDiskTests.withMount(megabytes: 64) { mount in
            try await expectPaused(in: mount, isSavedFirst: isSavedFirst)
        }
    }

    private func expectPaused(in mount: FilePath, isSavedFirst: Bool) async throws {
        let lab = try LiveLab(in: mount.appending("lab"))
        let host = try await lab.running()
        let sectors: UInt64 = 16384
        try FullDiskTests.fill(mount.appending("ballast"), leaving: 5 << 20, in: mount)
        var events = host.events().makeAsyncIterator()
        let reason = "disk 'system' could not be read or written on the host; make space or mend it, then resume"
        _ = try await host.output(of: "witness run --disk /dev/vda --sectors \(sectors) --console > /dev/null 2>&1 &")
        #expect(await events.next()?.kind == .diskFailed("system"))
        #expect(await events.next()?.kind == .state(.paused, reason: reason))
        #expect(await host.status == MachineStatus(state: .paused, reason: reason))

        // Nothing is better yet: it is tried again, and told again.
        try await host.resume()
        while let event = await events.next(), event.kind != .state(.paused, reason: reason) {}
        #expect(await host.status == MachineStatus(state: .paused, reason: reason))
        let error = await #expect(throws: EngineError.self) { try await host.save() }
        #expect(error?.description.contains("No space left") == true)
        #expect(await host.status == MachineStatus(state: .paused, reason: reason))
        let saved = host.folder.savedMemory(of: await host.files.id)
        #expect(!FileSystem.exists(saved.image) && !FileSystem.exists(saved.devices))

        let larger = try await Tool("mount").run(["-o", "remount,size=400m", mount.string])
        try #require(larger.code == 0, "\(larger.messages)")
        if isSavedFirst {
            // What failed is tried again in another process.
            try await host.save()
            try await host.start()
        } else {
            try await host.resume()
        }
        var ticks: [Tick] = []
        while ticks.count < 4 || ticks.last?.flushed == 0 {
            let text = try await host.waitForConsole(.pattern(Tick.pattern), within: .minutes(2))
            ticks += Tick.all(in: text)
        }
        #expect(ticks.allSatisfy { $0.bad == 0 })
        #expect(await host.status == MachineStatus(state: .running))
        try await host.turnOff()
        let (files, last) = (await host.files, try #require(ticks.last))
        let disk = try #require(files.now.disks.first)
        let path = try DiskFiles.path(of: disk, machine: files.id, in: host.folder)
        let chain = try DiskFiles.open(path, in: host.folder, .readOnly)
        let image = WitnessDisk(
            try WitnessDisk.bytes(of: chain, sectors: sectors), seed: last.seed, sectors: sectors,
            flushed: last.flushed, issued: .max)
        #expect(image.problems.isEmpty)
        #expect(last.flushed > 0 && image.newest >= last.flushed)
    }

    @Test func `a sync that fails once is not repeated, and what the guest was told is durable is there`() async throws
    {
        let place = try TemporaryFolder()
        let library = place.appending("failing.so")
        try Self.failingSync.write(toFile: place.appending("failing.c").string, atomically: true, encoding: .utf8)
        let built = try await Tool("clang").run([
            "-shared", "-fPIC", "-o", library.string, place.appending("failing.c").string,
        ])
        try #require(built.code == 0, "\(built.messages)")
        let mark = place.appending("fail")
        let lab = CrashLab()
        let run = try await lab.host(
            [
                "create=\(try TinyGuest.find().folder)", "start", CrashTests.witness, "tick=3", "checkpoint=first",
                "await=paused", "resume", "await=paused", "refused=save", "off", "open",
            ], comment: "a failed sync",
            environment: ["LD_PRELOAD": library.string, "FERMATA_TEST_FAIL_SYNC": mark.string]
        ) { _, line in
            if line.hasPrefix("begin 5 ") { _ = FileManager.default.createFile(atPath: mark.string, contents: nil) }
        }
        #expect(run.operations.map(\.result).suffix(3).first == "paused")
        #expect(!FileManager.default.fileExists(atPath: mark.string), "no sync failed")
        // The same disks, opened again.
        let next = try await lab.host(["open", "apply=first", "tick=3", "off"], comment: "after a failed sync")
        #expect(next.ticks.last?.bad == 0)
        try lab.expectNothingLeftOver()
    }

    /// Lets the first fdatasync of a disk fail after a file has appeared, and removes that file.
    private static let failingSync = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int fdatasync(int fd) {
            const char *mark = getenv("FERMATA_TEST_FAIL_SYNC");
            char link[64], path[4096];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t length = readlink(link, path, sizeof path);
            int is_disk = length > 3 && !memcmp(path + length - 3, "vhd", 3);
            if (mark && is_disk && !unlink(mark)) {
                errno = EIO;
                return -1;
            }
            return syscall(SYS_fdatasync, fd);
        }

        """
}
