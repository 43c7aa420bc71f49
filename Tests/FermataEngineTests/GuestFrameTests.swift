// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Hashing
import Testing

@testable import FermataEngine

struct GuestFrameTests {
    static func frame(_ random: inout SplitMix) -> GuestFrame {
        let count = Int.random(in: 0...300, using: &random)
        // Many escapes and many starts of frames, which a payload must be able to hold.
        let payload = (0..<count).map { _ in [0xF5, 0x46, 0x00, 0x7A].randomElement(using: &random) ?? UInt8(0) }
        return GuestFrame(
            .init(rawValue: UInt16.random(in: 1...80, using: &random)),
            request: .random(in: 0 ... .max, using: &random),
            epoch: .random(in: 0 ... .max, using: &random), payload: payload)
    }

    @Test func `CRC-32C is Castagnoli's`() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
    }

    @Test(arguments: 1...20)
    func `frames come out as they went in, however the stream is cut`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let frames = (0..<20).map { _ in Self.frame(&random) }
        let wire = frames.flatMap { $0.encoded() }
        var decoder = GuestFrameDecoder()
        var found: [GuestFrame] = []
        var position = 0
        while position < wire.count {
            let end = min(wire.count, position + Int.random(in: 1...60, using: &random))
            found += decoder.feed(Array(wire[position..<end]))
            position = end
        }
        #expect(found == frames, "seed \(seed)")
    }

    @Test(arguments: 1...20)
    func `a stream that begins or breaks in the middle of a frame finds the next one`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let first = Self.frame(&random).encoded()
        let second = Self.frame(&random)
        for cut in first.indices {
            var decoder = GuestFrameDecoder()
            #expect(decoder.feed(Array(first[..<cut]) + second.encoded()) == [second], "seed \(seed), cut \(cut)")
            decoder = GuestFrameDecoder()
            #expect(
                decoder.feed(Array(first[(cut + 1)...]) + second.encoded()).last == second, "seed \(seed), cut \(cut)")
        }
    }

    @Test(arguments: 1...10)
    func `garbage makes no frame`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var decoder = GuestFrameDecoder()
        let garbage = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(decoder.feed(garbage).isEmpty, "seed \(seed)")
    }
}
