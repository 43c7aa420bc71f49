// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Frames on a byte stream (PROTOCOL.md): `F5 46`, then the frame with every F5 in it written as `F5 00`.
//
//   searching ── F5 46 ──► inside ── complete, checksum right ──► a frame, searching
//       ▲                    │  └─── F5 46 ──► inside, from the start: what came before was cut off
//       └── too long, or wrong ┘

#include "guest.h"

#include <string.h>

enum { mark = 0xF5, mark_start = 0x46, mark_escape = 0x00 };

// Eight bytes at a time: a guest's processor may be an emulated one. Table `n` advances a byte over `n` more bytes.
uint32_t crc32c(uint32_t crc, const void *bytes, size_t count) {
    static uint32_t tables[8][256];
    if (tables[0][1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0);
            tables[0][i] = value;
        }
        for (int n = 1; n < 8; n++) {
            for (int i = 0; i < 256; i++) {
                const uint32_t before = tables[n - 1][i];
                tables[n][i] = before >> 8 ^ tables[0][before & 0xFF];
            }
        }
    }
    const uint8_t *p = bytes;
    crc = ~crc;
    for (; count >= 8; count -= 8, p += 8) {
        const uint32_t low = load32(p) ^ crc;
        const uint32_t high = load32(p + 4);
        crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24]
            ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
    }
    while (count--) crc = crc >> 8 ^ tables[0][(crc ^ *p++) & 0xFF];
    return ~crc;
}

bool frame_decode(struct frame_decoder *decoder, uint8_t byte, struct frame *frame) {
    if (decoder->after_mark) {
        decoder->after_mark = false;
        if (byte == mark_start) {
            decoder->state = decoder_inside;
            decoder->filled = 0;
            return false;
        }
        if (byte != mark_escape) {
            decoder->state = decoder_searching;
            decoder->after_mark = byte == mark;
            return false;
        }
        byte = mark;
    } else if (byte == mark) {
        decoder->after_mark = true;
        return false;
    }
    if (decoder->state != decoder_inside) return false;

    uint8_t *bytes = decoder->bytes;
    bytes[decoder->filled++] = byte;
    if (decoder->filled < frame_header_size) return false;
    const uint32_t length = load32(bytes + 16);
    if (length > frame_payload_limit) {
        decoder->state = decoder_searching;
        return false;
    }
    const size_t body = frame_header_size + length;
    if (decoder->filled < body + 4) return false;
    decoder->state = decoder_searching;
    if (load32(bytes + body) != crc32c(0, bytes, body)) return false;
    frame->type = (uint16_t)(bytes[0] | bytes[1] << 8);
    frame->request = load32(bytes + 4);
    frame->epoch = load64(bytes + 8);
    frame->length = length;
    frame->payload = bytes + frame_header_size;
    return true;
}

static uint8_t *escape(uint8_t *out, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        const uint8_t *found = memchr(bytes, mark, count);
        const size_t plain = found ? (size_t)(found - bytes) : count;
        memcpy(out, bytes, plain);
        out += plain;
        bytes += plain;
        count -= plain;
        if (found) {
            *out++ = mark;
            *out++ = mark_escape;
            bytes++;
            count--;
        }
    }
    return out;
}

size_t frame_encode(const struct frame *frame, uint8_t *out) {
    uint8_t header[frame_header_size] = {(uint8_t)frame->type, (uint8_t)(frame->type >> 8)};
    store32(header + 4, frame->request);
    store64(header + 8, frame->epoch);
    store32(header + 16, frame->length);
    uint8_t checksum[4];
    store32(checksum, crc32c(crc32c(0, header, sizeof header), frame->payload, frame->length));

    uint8_t *end = out;
    *end++ = mark;
    *end++ = mark_start;
    end = escape(end, header, sizeof header);
    end = escape(end, frame->payload, frame->length);
    end = escape(end, checksum, sizeof checksum);
    return (size_t)(end - out);
}
