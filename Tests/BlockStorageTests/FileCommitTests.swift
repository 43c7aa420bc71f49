// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

struct FileCommitTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func `a file is put in place whole, and replaced with its permissions kept`() throws {
        let path = folder.appending("a.xml")
        try FileCommit.write(Array("one".utf8), to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path.string)
        try FileCommit.write(Array("three".utf8), to: path)
        #expect(try String(contentsOfFile: path.string, encoding: .utf8) == "three")
        let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
        #expect(attributes[.posixPermissions] as? Int == 0o640)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.string) == ["a.xml"])
    }

    @Test func `a failure leaves the folder as it was`() throws {
        try folder.makeFolder("a.xml/b")
        #expect(throws: StorageError.self) { try FileCommit.write([1], to: folder.appending("a.xml")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.string) == ["a.xml"])
        #expect(throws: StorageError.self) { try FileCommit.write([1], to: folder.appending("none/a.xml")) }
    }

    @Test func `a link is replaced and not followed`() throws {
        let target = folder.appending("target")
        try FileCommit.write([1], to: target)
        try FileManager.default.createSymbolicLink(
            atPath: folder.appending("link").string, withDestinationPath: target.string)
        try FileCommit.write([2], to: folder.appending("link"))
        #expect(try FileStore(opening: target, access: .readOnly).bytes(at: 0, count: 1) == [1])
        #expect(try FileStore(opening: folder.appending("link"), access: .readOnly).bytes(at: 0, count: 1) == [2])
    }

    @Test func `a rename replaces the file of that name`() throws {
        try FileCommit.write([1], to: folder.appending("a"))
        try FileCommit.write([2], to: folder.appending("b"))
        try FileCommit.rename(folder.appending("a"), to: folder.appending("b"))
        try FileCommit.synchronizeFolder(folder.path)
        #expect(try FileStore(opening: folder.appending("b"), access: .readOnly).bytes(at: 0, count: 1) == [1])
        #expect(throws: StorageError.self) {
            try FileCommit.rename(folder.appending("a"), to: folder.appending("b"))
        }
    }
}
