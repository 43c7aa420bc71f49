// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The blocks of memory that a machine has besides its main memory, which no device state holds.
enum MemoryBlocks {
    /// The blocks that need no care, and why.
    private static let harmless: [String: String] = [
        mainMemory: "captured page by page",
        "pc.bios": "read-only, and loaded by every process from the same firmware",
        "isa-bios": "read-only, a copy of the firmware's end",
        "pc.rom": "read-only for the guest, and filled by every process from the same option ROMs",
        "/rom@etc/acpi/tables": "read-only, and made anew from the hardware whenever a guest asks for it",
        "/rom@etc/table-loader": "read-only, and made anew from the hardware whenever a guest asks for it",
        "/rom@etc/acpi/rsdp": "read-only, and made anew from the hardware whenever a guest asks for it",
    ]

    /// The name of the main memory's block.
    static let mainMemory = "ram"

    /// The blocks of an `info ramblock` listing that nobody knows how to restore.
    static func unknown(in listing: String) -> [String] {
        // A heading, then one line per block: its name, its page size ("4 KiB"), and three numbers.
        listing.split(whereSeparator: \.isNewline).dropFirst().compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 6 else { return words.isEmpty ? nil : String(line) }
            let name = words.dropLast(5).joined(separator: " ")
            return harmless[name] == nil ? name : nil
        }
    }
}
