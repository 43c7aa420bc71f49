// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A frame of the agent's protocol, written from its description alone.
struct SimulatedFrame {
    var kind: UInt16
    var request: UInt32
    var epoch: UInt64
    var payload: [UInt8]

    /// Numbers of 32 bits, little-endian.
    static func bytes(_ numbers: [UInt32]) -> [UInt8] {
        numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = .max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
        return ~crc
    }

    func encoded() -> [UInt8] {
        let low = UInt32(truncatingIfNeeded: epoch)
        let high = UInt32(truncatingIfNeeded: epoch >> 32)
        var plain = Self.bytes([UInt32(kind), request, low, high, UInt32(payload.count)]) + payload
        plain += Self.bytes([Self.checksum(plain)])
        return [0xF5, 0x46] + plain.flatMap { $0 == 0xF5 ? [0xF5, 0] : [$0] }
    }

    private init?(plain: [UInt8]) {
        guard plain.count >= 24, plain.count == 24 + Int(Self.number(plain[16..<20])) else { return nil }
        guard Self.bytes([Self.checksum(Array(plain.dropLast(4)))]) == Array(plain.suffix(4)) else { return nil }
        kind = UInt16(truncatingIfNeeded: Self.number(plain[0..<2]))
        request = UInt32(Self.number(plain[4..<8]))
        epoch = Self.number(plain[8..<16])
        payload = Array(plain[20..<plain.count - 4])
    }

    init(kind: UInt16, request: UInt32, epoch: UInt64, payload: [UInt8]) {
        self.kind = kind
        self.request = request
        self.epoch = epoch
        self.payload = payload
    }

    /// Finds frames in a stream.
    struct Decoder {
        private var plain: [UInt8] = []
        private var isEscaped = false

        mutating func feed(_ bytes: [UInt8]) -> [SimulatedFrame] {
            var frames: [SimulatedFrame] = []
            for byte in bytes {
                if isEscaped {
                    isEscaped = false
                    if byte == 0x46 { plain = [] } else if byte == 0 { plain.append(0xF5) }
                } else if byte == 0xF5 {
                    isEscaped = true
                    continue
                } else {
                    plain.append(byte)
                }
                if let frame = SimulatedFrame(plain: plain) {
                    frames.append(frame)
                    plain = []
                }
            }
            return frames
        }
    }
}
