// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <sys/ioctl.h>

ssize_t fermata_read_memory(
    pid_t process, const struct iovec *local, size_t local_count, const struct iovec *remote, size_t remote_count) {
    return process_vm_readv(process, local, local_count, remote, remote_count, 0);
}

ssize_t fermata_write_memory(
    pid_t process, const struct iovec *local, size_t local_count, const struct iovec *remote, size_t remote_count) {
    return process_vm_writev(process, local, local_count, remote, remote_count, 0);
}

// The kernel's interface, stated here because the C library of a stable distribution does not know it yet.
struct scanned_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

struct scan_request {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t regions;
    uint64_t region_count;
    uint64_t page_limit;
    uint64_t inverted;
    uint64_t all_of;
    uint64_t any_of;
    uint64_t returned;
};

enum { PAGE_OF_FILE = 1 << 2, PAGE_PRESENT = 1 << 3, PAGE_SWAPPED = 1 << 4 };

#define SCAN_PAGEMAP _IOWR('f', 16, struct scan_request)

ssize_t fermata_scan_pages(
    int pagemap, uint64_t start, uint64_t end, struct fermata_address_run *runs, size_t capacity, uint64_t *scanned) {
    enum { BATCH = 512 };
    struct scanned_region regions[BATCH];
    size_t found = 0;
    *scanned = start;
    while (*scanned < end && found < capacity) {
        size_t room = capacity - found;
        struct scan_request request = {
            .size = sizeof request,
            .start = *scanned,
            .end = end,
            .regions = (uint64_t)(uintptr_t)regions,
            .region_count = room < BATCH ? room : BATCH,
            .inverted = PAGE_OF_FILE,
            .all_of = PAGE_OF_FILE,
            .any_of = PAGE_PRESENT | PAGE_SWAPPED,
            .returned = PAGE_OF_FILE,
        };
        long count;
        do {
            count = ioctl(pagemap, SCAN_PAGEMAP, &request);
        } while (count < 0 && errno == EINTR);
        if (count < 0) { return -1; }
        for (long index = 0; index < count; index++) {
            runs[found++] =
                (struct fermata_address_run){.start = regions[index].start, .end = regions[index].end};
        }
        // A walk that gets nowhere would never end.
        if (request.walk_end <= *scanned) {
            errno = EIO;
            return -1;
        }
        *scanned = request.walk_end;
    }
    return (ssize_t)found;
}
