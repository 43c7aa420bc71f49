// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Hashing
import SystemPackage

/// The devices of a checkpoint: its `.vsv`.
///
/// All numbers are little-endian.
/// ```
///      0  "FERMAVSV"
///      8  u32 format version = 1
///     12  u32 length of the description
///     16  u64 length of the device state
///     24  u64 length of the console text
///     32  SHA-256 of everything but these 32 bytes
///     64  the description, JSON: what the state must have in common with the machine that takes it
///      …  the device state, as the hypervisor wrote it
///      …  the console text that no one had waited for yet
/// ```
/// A hypervisor does not refuse a state that is not its own, so all of the description is compared before it is asked.
struct SavedState: Hashable, Sendable {
    static let magic = Array("FERMAVSV".utf8)
    static let headerSize = 64
    static let sizeLimit = 1 << 28

    var description: Description
    var devices: [UInt8]
    var console: [UInt8]

    /// What a state must have in common with the machine that takes it.
    struct Description: Hashable, Sendable, Codable {
        var machine: GUID
        var checkpoint: GUID
        var traits: MachineTraits
        /// The names of the disks and the identities of the files that held them, in the guest's order.
        var disks: [String]
        /// The digest of the `.bin`, in hexadecimal digits.
        var memoryDigest: String
        /// The real-time clock's start, in seconds since 1970.
        var clockBase: Int64
    }

    /// The file's bytes.
    func encoded() throws(EngineError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json: Data
        do {
            json = try encoder.encode(description)
        } catch {
            throw EngineError(.system, "the description of a saved state cannot be written", underlying: error)
        }
        var head = LittleEndianBytes(SavedState.magic)
        head.append(UInt32(1))
        head.append(UInt32(json.count))
        head.append(UInt64(devices.count))
        head.append(UInt64(console.count))
        let body = Array(json) + devices + console
        return head.bytes + SHA256.digest(of: head.bytes + body).bytes + body
    }

    init(description: Description, devices: [UInt8], console: [UInt8]) {
        self.description = description
        self.devices = devices
        self.console = console
    }

    /// Reads a state and checks all of it.
    init(reading path: FilePath) throws(EngineError) {
        let bytes = LittleEndianBytes(try FileSystem.read(path, limit: SavedState.sizeLimit))
        func damage(_ expected: String, _ found: String) -> EngineError {
            EngineError(
                .damaged,
                "\(path): expected \(expected), found \(found); this checkpoint's memory cannot be used, "
                    + "its disks can")
        }
        guard bytes[0..<8] == SavedState.magic[...] else { throw damage("the magic 'FERMAVSV'", "something else") }
        guard bytes.u32(at: 8) == 1 else {
            throw damage("format version 1", "\(bytes.u32(at: 8)); a newer Fermata wrote it")
        }
        let lengths = [UInt64(bytes.u32(at: 12)), bytes.u64(at: 16), bytes.u64(at: 24)]
        let total = bytes.bytes.count
        guard lengths.allSatisfy({ $0 <= SavedState.sizeLimit }),
            lengths.reduce(UInt64(SavedState.headerSize), +) == UInt64(total)
        else { throw damage("parts that fill its \(total) bytes", "others") }
        let json = SavedState.headerSize + Int(lengths[0])
        let body = bytes[SavedState.headerSize..<total]
        guard SHA256.digest(of: bytes[0..<32] + body).bytes == Array(bytes[32..<64]) else {
            throw damage("a checksum that fits", "another")
        }
        do {
            description = try JSONDecoder().decode(
                Description.self, from: Data(bytes[SavedState.headerSize..<json]))
        } catch {
            throw damage("a description of the machine", "text that is none")
        }
        // Years 1970 to 9999: what a clock can be told.
        guard (0..<253_402_300_800).contains(description.clockBase) else {
            throw damage("a clock's start between 1970 and 9999", "\(description.clockBase)")
        }
        devices = Array(bytes[json..<json + Int(lengths[1])])
        console = Array(bytes[json + Int(lengths[1])..<total])
    }

    /// What of a state does not fit a process, as the middle of a sentence; nil when all of it does.
    func mismatch(with traits: MachineTraits) -> String? {
        let own = description.traits
        func difference(_ what: String, _ saved: String, _ found: String) -> String? {
            saved == found ? nil : "\(what): the checkpoint has \(saved), this machine has \(found)"
        }
        return difference("hypervisor", own.hypervisor, traits.hypervisor)
            ?? difference("accelerator", own.accelerator, traits.accelerator)
            ?? difference("machine type", own.machineType, traits.machineType)
            ?? difference("processor", own.processor, traits.processor)
            ?? difference("processors", "\(own.processors)", "\(traits.processors)")
            ?? difference("memory", "\(own.memory) bytes", "\(traits.memory) bytes")
            ?? difference("devices", own.devices, traits.devices)
    }
}

extension SavedState {
    /// How a description names a disk: its name and the file that held it.
    static func identity(of disk: Configuration.Disk) -> String {
        "\(disk.name)=\(FilePath(disk.path).lastComponent?.string ?? "")"
    }
}
