// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension MachineDefinition {
    /// The definition as a JSON object.
    public var jsonValue: JSON {
        .members([
            "name": .string(name.description),
            "memory": .integer(memory.bytes),
            "processors": .integer(processors),
            "boot": boot?.jsonValue,
            "disks": disks.isEmpty ? nil : .array(disks.map(\.jsonValue)),
            "network": hasNetwork ? true : nil,
            "clock": clock == .continue ? nil : .string(clock.rawValue),
            "at": at?.jsonValue,
        ])
    }

    init(json value: JSON, at path: String) throws(DocumentError) {
        let reader = try ObjectReader(
            value, at: path, fields: ["name", "memory", "processors", "boot", "disks", "network", "clock", "at"])
        self.init(name: MachineName(try reader.string("name")), at: try SourceLocation(in: reader))
        if let bytes: UInt64 = try reader.integer("memory", "a number of bytes") { memory = ByteSize(bytes: bytes) }
        if let count: Int = try reader.integer("processors", "a number of processors") { processors = count }
        if reader.has("boot") { boot = try Boot(json: reader.required("boot"), at: reader.path(of: "boot")) }
        for (path, element) in try reader.elements("disks") { disks.append(try Disk(json: element, at: path)) }
        hasNetwork = try reader.bool("network") ?? false
        clock = try reader.word("clock") ?? .continue
    }
}

extension MachineDefinition.Boot {
    /// The boot description as a JSON object.
    public var jsonValue: JSON {
        .members([
            "kernel": .string(kernel),
            "initrd": initrd.map { .string($0) },
            "arguments": arguments.map { .string($0) },
        ])
    }

    init(json value: JSON, at path: String) throws(DocumentError) {
        let reader = try ObjectReader(value, at: path, fields: ["kernel", "initrd", "arguments"])
        self.init(
            kernel: try reader.string("kernel"), initrd: try reader.optionalString("initrd"),
            arguments: try reader.optionalString("arguments"))
    }
}

extension MachineDefinition.Disk {
    /// The disk as a JSON object.
    public var jsonValue: JSON {
        .members([
            "name": .string(name), "size": .integer(size.bytes),
            "format": format == .vhd ? nil : .string(format.rawValue),
        ])
    }

    init(json value: JSON, at path: String) throws(DocumentError) {
        let reader = try ObjectReader(value, at: path, fields: ["name", "size", "format"])
        _ = try reader.required("size")
        self.init(
            name: try reader.string("name"),
            size: ByteSize(bytes: try reader.integer("size", "a number of bytes") ?? 0),
            format: try reader.word("format") ?? .vhd)
    }
}

extension ObjectReader {
    /// A word out of a fixed set; nil when the field is absent.
    func word<Word: RawRepresentable<String> & CaseIterable>(_ field: String) throws(DocumentError) -> Word? {
        guard let text = try optionalString(field) else { return nil }
        guard let word = Word(rawValue: text) else {
            let names = Word.allCases.map(\.rawValue)
            throw DocumentError(
                .value, path: path(of: field),
                "expected \(names.map { "\"\($0)\"" }.joined(separator: " or ")), "
                    + "found \"\(text.shortened(to: 60))\"\(Spelling.hint(for: text, among: names))")
        }
        return word
    }
}
