// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The journal's file.
///
/// ```
///   "FERMATAJ"  version (4)  checksum of what follows (8)
///   disk | number of sources, each a path | number of steps, each a kind and its fields
/// ```
///
/// Numbers have their highest byte first; a path is a list of names relative to the journal's folder, `..` for up.
extension DiskJournal {
    private static let cookie: [UInt8] = Array("FERMATAJ".utf8)
    private static let version: UInt32 = 1
    private static let start: Int = 20

    func encoded(from place: [String]) -> [UInt8] {
        var writer = JournalWriter(folder: Array(place.dropLast()))
        writer.put(path: disk)
        writer.put(UInt32(clamping: sources.count))
        for source in sources { writer.put(path: source) }
        writer.put(UInt32(clamping: steps.count))
        for step in steps {
            switch step {
            case .write(let file, let offset, let bytes):
                writer.put(1 as UInt32)
                writer.put(path: file)
                writer.put(offset)
                writer.put(bytes: bytes)
            case .length(let file, let length):
                writer.put(2 as UInt32)
                writer.put(path: file)
                writer.put(length)
            case .modificationTime(let file, let seconds):
                writer.put(3 as UInt32)
                writer.put(path: file)
                writer.put(UInt64(bitPattern: seconds))
            case .rename(let from, let to):
                writer.put(4 as UInt32)
                writer.put(path: from)
                writer.put(path: to)
            case .remove(let file):
                writer.put(5 as UInt32)
                writer.put(path: file)
            case .zeros(let file, let range):
                writer.put(6 as UInt32)
                writer.put(path: file)
                writer.put(range)
            case .space(let file, let range):
                writer.put(7 as UInt32)
                writer.put(path: file)
                writer.put(range)
            }
        }
        var head = JournalWriter(folder: [])
        head.put(Self.version)
        head.put(Self.checksum(writer.bytes[...]))
        return Self.cookie + head.bytes + writer.bytes
    }

    init(_ bytes: [UInt8], _ kind: Kind, from place: [String], path: String) throws(DiskError) {
        guard bytes.count >= Self.start, Array(bytes.prefix(8)) == Self.cookie else {
            throw DiskError(.malformed, path: path, "this is no journal of an operation")
        }
        let fields = DiskFields(bytes, .big, path: path)
        let version: UInt32 = try fields.integer(at: 8)
        guard version == Self.version else {
            throw DiskError(
                .unsupported, path: path, "the journal is of another version of this program", field: "version",
                expected: "\(Self.version)", found: "\(version)")
        }
        guard try fields.integer(at: 12) == Self.checksum(bytes[Self.start...]) else {
            throw DiskError(.malformed, path: path, "the journal of an operation is damaged", field: "checksum")
        }
        var reader = JournalReader(fields: fields, position: Self.start, folder: Array(place.dropLast()))
        self.init(kind, of: try reader.path())
        for _ in 0..<(try reader.number() as UInt32) { sources.append(try reader.path()) }
        for _ in 0..<(try reader.number() as UInt32) {
            let step: UInt32 = try reader.number()
            let file = try reader.path()
            switch step {
            case 1: steps.append(.write(file: file, offset: try reader.number(), bytes: try reader.bytes()))
            case 2: steps.append(.length(file: file, try reader.number()))
            case 3: steps.append(.modificationTime(file: file, Int64(bitPattern: try reader.number())))
            case 4: steps.append(.rename(from: file, to: try reader.path()))
            case 5: steps.append(.remove(file: file))
            case 6: steps.append(.zeros(file: file, try reader.range()))
            case 7: steps.append(.space(file: file, try reader.range()))
            default: throw .malformed(path, "step", expected: "1 to 7", found: step)
            }
        }
    }

    /// FNV-1a over 64 bits: it finds what a crash tears; nobody is kept from forging it.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}

private struct JournalWriter {
    let folder: [String]
    var bytes: [UInt8] = []

    init(folder: [String]) {
        self.folder = folder
    }

    mutating func put(_ number: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    mutating func put(_ range: Range<UInt64>) {
        put(range.lowerBound)
        put(range.upperBound)
    }

    mutating func put(bytes more: [UInt8]) {
        put(UInt32(clamping: more.count))
        bytes += more
    }

    mutating func put(path: [String]) {
        let shared = zip(folder, path.dropLast()).prefix { $0 == $1 }.count
        let names = Array(repeating: "..", count: folder.count - shared) + path.dropFirst(shared)
        put(UInt32(clamping: names.count))
        for name in names { put(bytes: Array(name.utf8)) }
    }
}

private struct JournalReader {
    let fields: DiskFields
    var position: Int
    let folder: [String]

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>() throws(DiskError) -> Number {
        defer { position += Number.bitWidth / 8 }
        return try fields.integer(at: position)
    }

    mutating func range() throws(DiskError) -> Range<UInt64> {
        let (start, end): (UInt64, UInt64) = (try number(), try number())
        guard start <= end else { throw .malformed(fields.path, "step", expected: "a range", found: end) }
        return start..<end
    }

    mutating func bytes() throws(DiskError) -> [UInt8] {
        let count: UInt32 = try number()
        defer { position += Int(count) }
        return try fields.slice(at: position, count: Int(count))
    }

    mutating func path() throws(DiskError) -> [String] {
        var names = folder
        for _ in 0..<(try number() as UInt32) {
            let name = String(decoding: try bytes(), as: UTF8.self)
            guard name == ".." else {
                names.append(name)
                continue
            }
            guard !names.isEmpty else {
                throw DiskError(
                    .outsideLab, path: fields.path,
                    "the interrupted operation reaches out of the folder: run the command from further up")
            }
            names.removeLast()
        }
        return names
    }
}
