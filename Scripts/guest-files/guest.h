// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// What the programs of the tiny guest share: checksums, little-endian fields and the frames of PROTOCOL.md.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    frame_header_size = 20,
    frame_payload_limit = 64 << 10,
    /// Two bytes of start mark, then header, payload and checksum, each byte of which may need an escape.
    frame_encoded_limit = 2 + 2 * (frame_header_size + frame_payload_limit + 4),
};

struct frame {
    uint16_t type;
    uint32_t request;
    uint64_t epoch;
    uint32_t length;
    const uint8_t *payload;
};

/// The reading side: the unescaped bytes of the frame that is arriving.
struct frame_decoder {
    enum { decoder_searching, decoder_inside } state;
    bool after_mark;
    size_t filled;
    uint8_t bytes[frame_header_size + frame_payload_limit + 4];
};

/// Takes one byte; true when it completes a frame whose checksum is right. The payload is valid until the next call.
bool frame_decode(struct frame_decoder *decoder, uint8_t byte, struct frame *frame);

/// Writes the encoded frame and returns its size, at most `frame_encoded_limit`.
size_t frame_encode(const struct frame *frame, uint8_t *out);

uint32_t crc32c(uint32_t crc, const void *bytes, size_t count);

static inline uint32_t load32(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load64(const uint8_t *p) {
    return load32(p) | (uint64_t)load32(p + 4) << 32;
}

static inline void store32(uint8_t *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> 8 * i);
}

static inline void store64(uint8_t *p, uint64_t value) {
    store32(p, (uint32_t)value);
    store32(p + 4, (uint32_t)(value >> 32));
}

/// Fills `text` with the kernel's boot id (36 characters and a zero), or with an empty string.
void read_boot_id(char text[37]);

int agent_main(int argc, char **argv);
int witness_main(int argc, char **argv);
