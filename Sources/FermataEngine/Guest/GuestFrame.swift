// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Hashing

/// One message of the command channel between the host and a guest.
///
/// On the wire a frame is `F5 46`, then header, payload and checksum with every `F5` written as `F5 00`, so that
/// `F5 46` stands at the start of a frame and nowhere else. Numbers are little-endian.
/// ```
///   0  u16 type      4  u32 request    16  u32 payload length    20 + length  u32 CRC-32C of all before it
///   2  u16 zero      8  u64 epoch      20  payload
/// ```
/// `Scripts/guest-files/PROTOCOL.md` describes the whole protocol.
struct GuestFrame: Hashable, Sendable {
    /// The longest payload.
    static let payloadLimit = 65536
    static let headerSize = 20

    /// What a frame says.
    struct Kind: RawRepresentable, Hashable, Sendable {
        let rawValue: UInt16

        static let hello = Kind(rawValue: 1)
        static let execute = Kind(rawValue: 2)
        static let standardInput = Kind(rawValue: 3)
        static let signal = Kind(rawValue: 4)
        static let taken = Kind(rawValue: 5)
        static let helloAck = Kind(rawValue: 65)
        static let started = Kind(rawValue: 66)
        static let standardOutput = Kind(rawValue: 67)
        static let standardError = Kind(rawValue: 68)
        static let exited = Kind(rawValue: 69)
        static let error = Kind(rawValue: 70)
        static let credit = Kind(rawValue: 71)
        static let ready = Kind(rawValue: 72)
    }

    var kind: Kind
    var request: UInt32
    var epoch: UInt64
    var payload: [UInt8]

    init(_ kind: Kind, request: UInt32 = 0, epoch: UInt64, payload: [UInt8] = []) {
        self.kind = kind
        self.request = request
        self.epoch = epoch
        self.payload = payload
    }

    /// The frame's bytes on the wire.
    func encoded() -> [UInt8] {
        var plain = LittleEndianBytes()
        plain.append(UInt32(kind.rawValue))
        plain.append(request)
        plain.append(epoch)
        plain.append(UInt32(payload.count))
        plain.append(payload)
        plain.append(CRC32C.checksum(plain.bytes))
        var wire: [UInt8] = [0xF5, 0x46]
        for byte in plain.bytes {
            wire.append(byte)
            if byte == 0xF5 { wire.append(0) }
        }
        return wire
    }

    /// Reads what stands between two starts, unescaped; nil for anything but a whole frame.
    init?(unescaped bytes: [UInt8]) {
        let plain = LittleEndianBytes(bytes)
        let length = Int(plain.u32(at: 16))
        guard bytes.count >= GuestFrame.headerSize + 4, length <= GuestFrame.payloadLimit,
            bytes.count == GuestFrame.headerSize + length + 4,
            CRC32C.checksum(Array(bytes.dropLast(4))) == plain.u32(at: bytes.count - 4)
        else { return nil }
        self.init(
            Kind(rawValue: UInt16(truncatingIfNeeded: plain.u32(at: 0))), request: plain.u32(at: 4),
            epoch: plain.u64(at: 8), payload: Array(bytes[GuestFrame.headerSize..<GuestFrame.headerSize + length]))
    }
}

/// Finds frames in a stream that may begin, end or change its past in the middle of one.
struct GuestFrameDecoder: Sendable {
    private var pending: [UInt8]?
    private var sawEscape = false
    /// With how many bytes the pending frame has its header or, that being known, is whole.
    private var goal = GuestFrame.headerSize

    /// Takes in bytes, and hands over every frame that they complete.
    mutating func feed(_ bytes: [UInt8]) -> [GuestFrame] {
        var frames: [GuestFrame] = []
        var rest = bytes[...]
        while let byte = rest.first {
            if sawEscape {
                rest.removeFirst()
                sawEscape = false
                if byte == 0x46 {
                    (pending, goal) = ([], GuestFrame.headerSize)
                } else if byte == 0 {
                    pending?.append(0xF5)
                } else {
                    pending = nil
                    sawEscape = byte == 0xF5
                }
            } else if byte == 0xF5 {
                rest.removeFirst()
                sawEscape = true
                continue
            } else {
                // What is plain is taken at once, as far as the frame reaches.
                let plain = rest[..<(rest.firstIndex(of: 0xF5) ?? rest.endIndex)]
                let taken = pending.map { plain.prefix(goal - $0.count) } ?? plain
                pending?.append(contentsOf: taken)
                rest.removeFirst(taken.count)
            }
            if let frame = completed() { frames.append(frame) }
        }
        return frames
    }

    /// The frame that is pending, if it has all its bytes; garbage is dropped as soon as it shows.
    private mutating func completed() -> GuestFrame? {
        guard let bytes = pending, bytes.count == goal else { return nil }
        if goal == GuestFrame.headerSize {
            let length = Int(LittleEndianBytes(bytes).u32(at: 16))
            if length <= GuestFrame.payloadLimit {
                goal += length + 4
            } else {
                pending = nil
            }
            return nil
        }
        pending = nil
        return GuestFrame(unescaped: bytes)
    }
}
