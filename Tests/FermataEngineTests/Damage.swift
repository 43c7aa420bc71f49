// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine
@testable import VirtualDisk

/// Something that is done to a lab, and what a doctor must say of it.
struct Damage: Sendable, CustomTestStringConvertible {
    let name: String
    /// The finding's code.
    let code: String
    /// Whether the doctor can mend it.
    let isFixable: Bool
    let plant: @Sendable (DoctoredLab) async throws -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ code: String, fixable isFixable: Bool = false,
        _ plant: @escaping @Sendable (DoctoredLab) async throws -> Void
    ) {
        self.name = name
        self.code = code
        self.isFixable = isFixable
        self.plant = plant
    }

    static let all: [Damage] = store + together + trash + configurations + memory + disks

    private static let trash: [Damage] = [
        Damage("something of a machine that is gone", "trash-orphan", fixable: true) {
            try $0.write("x", $0.lab.trashed(.random(), of: .random()))
        },
        Damage("something in the trash that cannot be read", "trash-damaged") {
            try $0.write("x", $0.lab.trashed(.random(), of: $0.id))
        },
        Damage("a deleted machine without a folder", "trash-damaged") {
            try $0.write("", $0.lab.trash.appending("gone.\(GUID.random()).deleted"))
        },
        Damage("something in the trash without its disk", "trash-incomplete") {
            try $0.discard { $0.disks[0].path = "\(GUID.random()).avhd" }
        },
        Damage("a restore that never was", "trash-void", fixable: true) {
            let now = try MachineRecord(reading: $0.web).now
            try $0.discard { $0.disks = now.disks }
        },
        Damage("something in the trash without its memory", "memory-missing") {
            try FileManager.default.createDirectory(
                atPath: $0.lab.trash(of: $0.id).string, withIntermediateDirectories: true)
            try $0.move($0.web.checkpoint($0.hot), $0.lab.trashed($0.hot, of: $0.id))
            try $0.remove($0.web.memoryImage($0.hot))
        },
    ]

    private static let store: [Damage] = [
        Damage("no store.json", "store-missing") { try $0.remove($0.lab.storeFile) },
        Damage("another store.json", "store-damaged") { try $0.write("{}", $0.lab.storeFile) },
        Damage("a newer store", "store-damaged") {
            try $0.write(#"{"format": "fermata-store", "version": 99}"#, $0.lab.storeFile)
        },
        Damage("a machine that others can read", "shared", fixable: true) { try $0.mode(0o755, $0.web.path) },
        Damage("memory that others can read", "shared", fixable: true) {
            try $0.mode(0o644, $0.web.memoryImage($0.hot))
        },
        Damage("half a machine", "leftover", fixable: true) {
            try $0.write("", $0.lab.path.appending(".new.\(GUID.random()).new"))
        },
        Damage("a machine that is half deleted", "leftover-deleted", fixable: true) {
            try $0.write("", $0.lab.trash.appending("gone.\(GUID.random()).removed"))
        },
        Damage("no kernel", "boot-missing") { try $0.remove($0.kernel) },
        Damage("another kernel", "boot-damaged") { try $0.write("another", $0.kernel) },
        Damage("a kernel of nobody", "boot-orphan", fixable: true) {
            let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
            try $0.write("x", $0.lab.boot.appending(digest))
        },
        Damage("half a kernel", "leftover", fixable: true) { try $0.write("x", $0.lab.boot.appending(".x.new")) },
        Damage("an image of nobody", "cache-orphan", fixable: true) {
            try $0.write("x", $0.lab.flatImage(.random()))
        },
        Damage("an operation on nobody", "journal-orphan", fixable: true) {
            try $0.write("x", $0.lab.deletion(of: .random()))
        },
        Damage("an operation that cannot be read", "journal-damaged") {
            try $0.write("x", $0.lab.deletion(of: $0.id))
        },
        Damage("a deletion that is not finished", "deletion-unfinished", fixable: true) {
            try Deletion(of: [$0.root, $0.hot]).commit(of: $0.id, in: $0.lab)
        },
    ]

    private static let together: [Damage] = [
        Damage("a lab's checkpoint that cannot be read", "lab-checkpoint-damaged") {
            try $0.write("<x/>", $0.lab.labCheckpoint(.random()))
        },
        Damage("a lab's checkpoint of nobody", "lab-checkpoint-orphan", fixable: true) {
            let id = GUID.random()
            let member = LabCheckpoint.Member(machine: $0.id, name: "web", checkpoint: .random())
            let checkpoint = LabCheckpoint(id: id, name: "all", created: 0, notes: nil, owner: nil, members: [member])
            try FileSystem.write(checkpoint.file(), to: $0.lab.labCheckpoint(id))
        },
        Damage("a part of a lab's checkpoint that never was", "checkpoint-part", fixable: true) {
            var part = try MachineRecord(reading: $0.web).now
            part.saved = nil
            part.checkpoint = Configuration.Checkpoint(kind: .diskOnly, state: .off, labCheckpoint: .random())
            try FileSystem.write(part.file(), to: $0.web.checkpoint(.random()))
        },
        Damage("half a lab's checkpoint", "leftover", fixable: true) {
            try $0.write("x", $0.lab.labCheckpoints.appending(".\(GUID.random()).xml.new"))
        },
        Damage("a restore of several machines that never was", "leftover", fixable: true) {
            let now = try MachineRecord(reading: $0.web).now
            try FileSystem.write(now.file(), to: $0.web.restoredConfiguration(of: $0.id, by: .random()))
        },
        Damage("a restore of several machines that is not finished", "restore-unfinished", fixable: true) {
            let now = try MachineRecord(reading: $0.web).now
            let id = GUID.random()
            try FileSystem.write(now.file(), to: $0.web.restoredConfiguration(of: $0.id, by: id))
            try LabRestore.commit(id, of: [$0.id], in: $0.lab)
        },
        Damage("a restore with nothing to finish", "journal-orphan", fixable: true) {
            try LabRestore.commit(.random(), of: [$0.id], in: $0.lab)
        },
    ]

    private static let configurations: [Damage] = [
        Damage("no configuration", "machine-identity") { try $0.remove($0.web.configuration(of: $0.id)) },
        Damage("two configurations", "machine-identity") {
            try $0.copy($0.web.configuration(of: $0.id), $0.web.configuration(of: .random()))
        },
        Damage("half a configuration", "configuration-damaged") { try $0.cut($0.web.configuration(of: $0.id)) },
        Damage("another machine's configuration", "configuration-foreign") {
            try $0.replace("\($0.id)", "\(GUID.random())", $0.web.configuration(of: $0.id), only: "global_id")
        },
        Damage("a folder with another name", "name-differs", fixable: true) {
            try $0.move($0.web.path, $0.lab.path.appending("renamed"))
        },
        Damage("a copy of a machine", "machine-twice") { try $0.copy($0.web.path, $0.lab.path.appending("copy")) },
        Damage("half a checkpoint", "checkpoint-damaged") { try $0.cut($0.web.checkpoint($0.root)) },
        Damage("a machine as a checkpoint", "checkpoint-foreign") {
            try $0.copy($0.web.configuration(of: $0.id), $0.web.checkpoint(.random()))
        },
        Damage("a checkpoint that was replaced", "checkpoint-superseded", fixable: true) { lab in
            let old = try FileSystem.read(lab.web.checkpoint(lab.last), limit: 1 << 20)
            try await lab.withHost { host in
                _ = try await host.checkpoint(CheckpointRequest(name: "last", replaces: true))
            }
            try FileSystem.write(old, to: lab.web.checkpoint(lab.last))
        },
        Damage("half a checkpoint's new name", "leftover", fixable: true) {
            try $0.write("x", $0.web.snapshots.appending(".\($0.root).xml.new"))
        },
    ]

    private static let memory: [Damage] = [
        Damage("memory of nobody", "memory-orphan", fixable: true) {
            let id = GUID.random()
            try FileSystem.create($0.web.memoryFolder(id))
            try $0.write("x", $0.web.memoryImage(id))
        },
        Damage("saved memory of a machine that is off", "saved-orphan", fixable: true) {
            let other = try $0.other.identity()
            try $0.write("x", $0.other.savedMemory(of: other).image)
        },
        Damage("no memory", "memory-missing") { try $0.remove($0.web.memoryImage($0.hot)) },
        Damage("no devices", "devices-missing") { try $0.remove($0.web.deviceState($0.hot)) },
        Damage("no saved memory", "memory-missing") { try $0.remove($0.web.savedMemory(of: $0.id).image) },
        Damage("half a memory", "memory-damaged") { try $0.cut($0.web.memoryImage($0.hot)) },
        Damage("a bit of the memory's header", "memory-damaged") { try $0.flip($0.web.memoryImage($0.hot), at: 30) },
        Damage("a bit of the devices", "devices-damaged") { try $0.flip($0.web.deviceState($0.hot), at: 400) },
        Damage("another moment's memory", "memory-mismatch") {
            try $0.copy($0.web.savedMemory(of: $0.id).image, $0.web.memoryImage($0.hot))
        },
        Damage("another moment", "devices-foreign") {
            try $0.copy($0.web.savedMemory(of: $0.id).image, $0.web.memoryImage($0.hot))
            try $0.copy($0.web.savedMemory(of: $0.id).devices, $0.web.deviceState($0.hot))
        },
    ]

    private static let disks: [Damage] = [
        Damage("now's disk is gone", "disk-missing") { try $0.remove($0.chain(0)[0]) },
        Damage("a parent is gone", "parent-missing") { try $0.remove($0.chain(0)[1]) },
        Damage("another parent", "parent-mismatch") {
            let base = $0.chain(0)[3]
            try $0.remove(base)
            try DiskFormat.vhd.create(at: base, size: 3 << 20, permissions: .ownerReadWrite)
        },
        Damage("a parent that was touched", "parent-time") {
            try FileStore(opening: $0.chain(0)[3], access: .readWrite).setModificationTime(1_500_000_000)
        },
        Damage("a parent elsewhere", "parent-moved") {
            try $0.move($0.chain(0)[3], $0.lab.path.appending("other/moved.vhd"))
        },
        Damage("a way out of the lab", "parent-outside") {
            try $0.replace(#"..\..\web.vhd"#, #"..\..\..\..\a"#, utf16In: $0.chain(0)[2])
        },
        Damage("a link", "link") {
            let base = $0.chain(0)[3]
            try $0.move(base, $0.lab.path.appending("elsewhere"))
            try FileManager.default.createSymbolicLink(
                atPath: base.string, withDestinationPath: $0.lab.path.appending("elsewhere").string)
        },
        Damage("a disk that cannot be read", "disk-damaged") { try $0.flip($0.chain(0)[2], at: 512) },
        Damage("a copy of the footer", "disk-damaged", fixable: true) { try $0.flip($0.chain(0)[2], at: 20) },
        Damage("a header of a VHDX", "disk-damaged", fixable: true) { try $0.flip($0.chain(1)[1], at: (64 << 10) + 9) },
        Damage("a copy of a disk", "disk-twice") { try $0.copy($0.chain(0)[3], $0.web.path.appending("copy.vhd")) },
        Damage("a disk of nobody", "disk-orphan", fixable: true) {
            let file = $0.web.differencingDisks(of: $0.id).appending("\(GUID.random()).avhd")
            try DiskFormat.vhd.createChild(at: file, of: $0.chain(0)[1], permissions: .ownerReadWrite)
        },
        Damage("an operation on a disk", "disk-unfinished", fixable: true) {
            let name = $0.chain(0)[2].lastComponent?.string ?? ""
            try DiskJournal(.rewriting, of: [name]).commit(in: Folder(opening: $0.web.differencingDisks(of: $0.id)))
        },
        Damage("a checkpoint's file was removed", "disk-unmerged", fixable: true) {
            try $0.remove($0.web.checkpoint($0.root))
            try FileSystem.removeIfEmpty($0.web.memoryFolder($0.root))
        },
        Damage("a log in a disk at rest", "log-unreplayed", fixable: true) { lab in
            let file = lab.chain(1)[0]
            let chain = try DiskChain.open(file, beneath: lab.lab.path, access: .readWrite)
            try chain.write([UInt8](repeating: 7, count: 4096), at: 0)
            try chain.flush()
            let bytes = try FileSystem.read(file, limit: 64 << 20)
            try chain.close()
            try await lab.withHost { host in _ = try await host.checkpoint(CheckpointRequest(name: "sealed")) }
            try FileSystem.write(bytes, to: file)
        },
    ]
}
