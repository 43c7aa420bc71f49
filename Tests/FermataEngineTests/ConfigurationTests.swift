// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FermataModel
import Synchronization
import Testing

@testable import FermataEngine

struct ConfigurationTests {
    static func sample(disks: Int = 1, checkpoint: Configuration.Checkpoint? = nil) -> Configuration {
        Configuration(
            machine: .random(), name: "web & <co>", created: 1_700_000_000_123, notes: "a \"note\"\nof two lines",
            memory: 256 << 20, processors: 2,
            boot: .init(
                kernel: String(repeating: "ab", count: 32), initrd: String(repeating: "01", count: 32),
                arguments: "console=ttyS0 quiet"),
            disks: (0..<disks).map { .init(name: "disk-\($0)", path: "/lab/web/Snapshots/X/\($0).avhd") },
            devices: .init(networkAddress: "52:54:00:0a:ff:01"), clock: .host, allowsCheckpoints: false,
            ancestors: [.random(), .random()],
            owner: .init(recipe: "first-lab", definition: "00ff"),
            checkpoint: checkpoint)
    }

    @Test func `configurations are written and read on many threads at once`() throws {
        let configuration = Self.sample(disks: 2)
        let text = configuration.xml()
        let failures = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<500
            where configuration.xml() != text || (try? Configuration(ElementTree(parsing: text))) != configuration {
                failures.add(1, ordering: .relaxed)
            }
        }
        #expect(failures.load(ordering: .relaxed) == 0)
    }

    @Test(arguments: [0, 1, 4, 5, 70])
    func `a configuration reads back as it was written`(disks: Int) throws {
        let configuration = Self.sample(
            disks: disks, checkpoint: .init(kind: .standard, state: .running, isOrigin: false, supersedes: .random()))
        #expect(try Configuration(ElementTree(parsing: configuration.xml())) == configuration)
    }

    @Test func `the layout is Hyper-V's, with typed leaves`() throws {
        let text = String(decoding: Self.sample().xml(), as: UTF8.self)
        for part in [
            "<configuration>", "<global_id type=\"string\">", "<creation_time type=\"bytes\">",
            "<size type=\"integer\">256</size>", "<count type=\"integer\">2</count>", "<vdev001>",
            "<_83f8638b-8dca-4152-9eda-2ca8b33039b4_>", "<controller0>", "<drive0>",
            "<pathname type=\"string\">/lab/web/Snapshots/X/0.avhd</pathname>", "<type type=\"string\">VHD</type>",
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
    }

    @Test func `a file that names another file by an entity is refused`() throws {
        let hostile = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><configuration>&e;</configuration>"
        #expect(throws: ValueError.self) { try ElementTree(parsing: Array(hostile.utf8)) }
    }

    @Test func `every cut of a configuration is refused or reads the same`() throws {
        let configuration = Self.sample()
        let bytes = configuration.xml()
        for length in stride(from: 0, to: bytes.count, by: 7) {
            let cut = try? Configuration(ElementTree(parsing: Array(bytes[..<length])))
            #expect(cut == nil || cut == configuration)
        }
    }

    @Test func `a wrong field is named with what was expected and found`() throws {
        let text = String(decoding: Self.sample().xml(), as: UTF8.self)
            .replacing("<count type=\"integer\">2</count>", with: "<count type=\"integer\">two</count>")
        let error = #expect(throws: ValueError.self) { try Configuration(ElementTree(parsing: Array(text.utf8))) }
        #expect(
            error?.description
                == "settings/processors/count: expected a number from 1 to 1024, found 'two'")
    }

    @Test(arguments: [
        "", "52:54:00:0a:ff", "52:54:00:0a:ff:1", "53:54:00:0a:ff:01", "00:00:00:00:00:00", "52:54:00:0a:ff:0g",
    ])
    func `an address that no single card can have is refused`(address: String) throws {
        let text = String(decoding: Self.sample().xml(), as: UTF8.self)
            .replacing("52:54:00:0a:ff:01", with: address)
        let error = #expect(throws: ValueError.self) { try Configuration(ElementTree(parsing: Array(text.utf8))) }
        #expect(
            error?.description
                == "fermata/network/address: expected six bytes such as 52:54:00:12:34:56, found '\(address)'")
    }

    @Test func `a file that says nothing of devices means none`() throws {
        var configuration = Self.sample()
        configuration.devices = Configuration.Devices(hasEntropy: false)
        let text = String(decoding: configuration.xml(), as: UTF8.self)
        #expect(!text.contains("entropy") && !text.contains("network"))
        #expect(try Configuration(ElementTree(parsing: Array(text.utf8))) == configuration)
    }

    @Test func `new machines draw random numbers, and each card has an address of its own`() {
        let plain = Configuration.Devices(new: MachineDefinition(name: "a"))
        #expect(plain == Configuration.Devices(hasEntropy: true, networkAddress: nil))
        let addresses = (0..<20).compactMap { _ in
            Configuration.Devices(new: MachineDefinition(name: "a", hasNetwork: true)).networkAddress
        }
        #expect(Set(addresses).count > 15)
        #expect(addresses.allSatisfy { Configuration.Devices.isAddress($0) && $0.hasPrefix("52:54:00:") })
    }

    @Test func `Windows time keeps milliseconds`() {
        for time: Int64 in [0, 1, 1_700_000_000_123, 4_102_444_800_000] {
            #expect(Configuration.milliseconds(fileTime: Configuration.fileTime(milliseconds: time)) == time)
        }
    }
}
