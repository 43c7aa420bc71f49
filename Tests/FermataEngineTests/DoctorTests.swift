// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// Every planted damage is found, named, and mended or explained; a lab without one has no findings.
struct DoctorTests {
    private let folder: TemporaryFolder
    private let base: DoctoredLab

    init() async throws {
        folder = try TemporaryFolder()
        base = try await DoctoredLab(in: folder.path.appending("base"))
    }

    @Test func `a lab that is as it should be has no findings, and neither has a copy`() async throws {
        #expect(try Examination(of: base.lab.path).findings == [])
        let copy = try await DoctoredLab(copy: base, at: folder.path.appending("copy"))
        #expect(try Examination(of: copy.lab.path).findings == [])
    }

    @Test func `at least twenty-five damages are known`() {
        #expect(Set(Damage.all.map(\.name)).count == Damage.all.count && Damage.all.count >= 25)
        #expect(Set(Damage.all.map(\.code)).count >= 25)
    }

    /// In two lanes, so that two processors have something to do.
    @Test(arguments: 0..<2)
    func `every damage is found and named, and mended or explained`(lane: Int) async throws {
        for (number, damage) in Damage.all.enumerated() where number % 2 == lane {
            let place = folder.path.appending("copy")
            let lab = try await DoctoredLab(copy: base, at: place)
            defer { try? FileManager.default.removeItem(atPath: place.string) }
            try await damage.plant(lab)
            let before = try files(in: place)
            let found = try Examination(of: place)
            #expect(try files(in: place) == before, "\(damage.name): looking changes nothing")
            let finding = found.findings.first { $0.code == damage.code }
            #expect(finding != nil, "\(damage.name): \(found.findings)")
            #expect(finding?.isFixable == damage.isFixable, "\(damage.name): \(found.findings)")
            #expect(found.findings.allSatisfy { !$0.remedy.isEmpty && !$0.message.isEmpty }, "\(damage.name)")
            let failures = found.fix()
            let left = try Examination(of: place).findings
            if damage.isFixable {
                #expect(failures.isEmpty, "\(damage.name): \(failures)")
                #expect(left == [], "\(damage.name)")
            } else {
                #expect(left.contains { $0.code == damage.code }, "\(damage.name): \(left)")
            }
        }
    }

    /// Every file with its size and its time of change.
    private func files(in place: FilePath) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: place.string).sorted().map { path in
            let status = FileSystem.status(of: place.pushing(FilePath(path)))
            return "\(path) \(status?.st_size ?? -1) \(status?.st_mtim.tv_sec ?? -1) \(status?.st_mtim.tv_nsec ?? -1)"
        }
    }

    @Test func `a machine that is in use is looked at without complaints about what it is doing`() async throws {
        let lab = try await DoctoredLab(copy: base, at: folder.path.appending("copy"))
        try await lab.withHost { host in
            try await host.start()
            _ = try await host.run(.shell("write 1024 text"))
            #expect(try Examination(of: lab.lab.path).findings == [])
            try await host.delete([lab.last])
            try await host.mergeDisks()
            #expect(try Examination(of: lab.lab.path).findings == [])
        }
    }

    @Test func `a folder that is no lab is said to be none`() throws {
        let empty = folder.path.appending("empty")
        try FileSystem.create(empty)
        #expect(try Examination(of: empty).findings.map(\.code) == ["store-missing"])
        #expect(throws: EngineError.self) { try Examination(of: folder.path.appending("nowhere")) }
    }
}
