// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import Foundation
import Glibc
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

struct FolderTests {
    let temporary: TemporaryFolder
    let folder: Folder

    init() throws {
        temporary = try TemporaryFolder()
        try temporary.makeFolder("lab/web/Snapshots")
        folder = try Folder(opening: temporary.appending("lab"))
    }

    @Test func `a file is reached name by name`() throws {
        try folder.create(["web", "Snapshots", "a.avhd"]).write([5], at: 0)
        #expect(try folder.open(["web", "Snapshots", "a.avhd"], access: .readOnly).bytes(at: 0, count: 1) == [5])
        #expect(throws: StorageError.self) { try folder.create(["web", "Snapshots", "a.avhd"]) }
        try folder.remove(["web", "Snapshots", "a.avhd"])
        let missing = #expect(throws: StorageError.self) {
            try folder.open(["web", "Snapshots", "a.avhd"], access: .readOnly)
        }
        #expect(missing?.isMissingFile == true)
    }

    @Test(arguments: [[], [".."], ["web", "..", "..", "x"], ["."], [""], ["web/Snapshots"], ["a\0b"]])
    func `what is not a plain name is refused`(path: [String]) throws {
        #expect(throws: StorageError.self) { try folder.open(path, access: .readOnly) }
        #expect(throws: StorageError.self) { try folder.create(path) }
    }

    @Test func `links are refused at every step`() throws {
        try FileStore(creating: temporary.appending("outside.vhd")).write([1], at: 0)
        let manager = FileManager.default
        try manager.createSymbolicLink(
            atPath: temporary.appending("lab/link.vhd").string, withDestinationPath: "../outside.vhd")
        try manager.createSymbolicLink(atPath: temporary.appending("lab/up").string, withDestinationPath: "..")
        #expect(throws: StorageError.self) { try folder.open(["link.vhd"], access: .readOnly) }
        #expect(throws: StorageError.self) { try folder.open(["up", "outside.vhd"], access: .readOnly) }
        #expect(throws: StorageError.self) { try folder.create(["up", "new.vhd"]) }
        #expect(!manager.fileExists(atPath: temporary.appending("new.vhd").string))
        #expect(try folder.files(withExtensions: ["vhd"]).isEmpty)
    }

    @Test func `the listing finds files by extension, in a fixed order`() throws {
        for path in [["b.vhd"], ["web", "a.VHD"], ["web", "Snapshots", "c.avhd"], ["web", "d.xml"]] {
            _ = try folder.create(path)
        }
        #expect(
            try folder.files(withExtensions: ["vhd", "avhd"]) == [
                ["b.vhd"], ["web", "Snapshots", "c.avhd"], ["web", "a.VHD"],
            ])
    }

    @Test func `folders that come and go do not spoil a listing`() throws {
        _ = try folder.create(["b.vhd"])
        let isOver = Atomic(false)
        let isUnderWay = DispatchSemaphore(value: 0)
        let hasEnded = DispatchSemaphore(value: 0)
        let place = temporary.appending("lab")
        DispatchQueue.global().async {
            isUnderWay.signal()
            while !isOver.load(ordering: .relaxed) {
                for number in 0..<40 { _ = unsafe mkdir("\(place)/\(number)", 0o700) }
                for number in 0..<40 { _ = unsafe rmdir("\(place)/\(number)") }
            }
            hasEnded.signal()
        }
        isUnderWay.wait()
        defer {
            isOver.store(true, ordering: .relaxed)
            hasEnded.wait()
        }
        for _ in 0..<400 { #expect(try folder.files(withExtensions: ["vhd"]) == [["b.vhd"]]) }
    }

    @Test func `a folder stays the same one when its path is renamed`() throws {
        try FileManager.default.moveItem(
            atPath: temporary.appending("lab").string, toPath: temporary.appending("moved").string)
        _ = try folder.create(["here.vhd"])
        try folder.synchronize()
        #expect(FileManager.default.fileExists(atPath: temporary.appending("moved/here.vhd").string))
    }
}
