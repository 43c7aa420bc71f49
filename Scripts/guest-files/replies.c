// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// What waits to be written to the port, as encoded frames in one buffer of fixed size.

#include "agent.h"

#include <string.h>
#include <unistd.h>

enum { protocol_version = 1, queue_size = 1 << 20 };

static uint8_t queue[queue_size];
static size_t queue_start, queue_end;

size_t queued(void) {
    return queue_end - queue_start;
}

void send_frame(uint64_t epoch, uint16_t type, uint32_t request, const void *payload, uint32_t length) {
    if (queue_end + 2 * (size_t)length + 64 > queue_size) {
        memmove(queue, queue + queue_start, queued());
        queue_end -= queue_start;
        queue_start = 0;
    }
    // Room is kept by reading neither commands nor the port while the queue is long.
    if (queue_end + 2 * (size_t)length + 64 > queue_size) return;
    struct frame frame = {type, request, epoch, length, payload};
    queue_end += frame_encode(&frame, queue + queue_end);
}

void send_error(uint32_t request, uint32_t code, const char *sentence) {
    uint8_t payload[256];
    const size_t length = strnlen(sentence, sizeof payload - 4);
    store32(payload, code);
    memcpy(payload + 4, sentence, length);
    send_frame(current_epoch, type_error, request, payload, (uint32_t)(4 + length));
}

void send_credit(const struct job *job, size_t count) {
    uint8_t payload[4];
    store32(payload, (uint32_t)count);
    if (count > 0) send_frame(current_epoch, type_credit, job->request, payload, sizeof payload);
}

void send_greeting(uint64_t epoch, uint16_t type) {
    uint8_t payload[12 + 37];
    store32(payload, protocol_version);
    store32(payload + 4, frame_payload_limit);
    store32(payload + 8, stdin_window);
    read_boot_id((char *)payload + 12);
    send_frame(epoch, type, 0, payload, (uint32_t)(12 + strlen((char *)payload + 12)));
}

void forget_queue(void) {
    size_t keep = queue_start;
    while (keep < queue_end && !(queue[keep] == 0xF5 && queue[keep + 1] == 0x46)) keep++;
    queue_end = keep;
}

void empty_queue(void) {
    queue_start = queue_end = 0;
}

void write_queue(int port) {
    ssize_t count = write(port, queue + queue_start, queued());
    if (count <= 0) return;
    queue_start += (size_t)count;
    if (queued() == 0) empty_queue();
}
