// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "CFiles.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int fermata_allocate(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 0, offset, length);
}

int fermata_punch_hole(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int fermata_begin_writeback(int descriptor, int64_t offset, int64_t length) {
    return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

int64_t fermata_seek_data(int descriptor, int64_t offset) {
    return lseek(descriptor, offset, SEEK_DATA);
}

int64_t fermata_seek_hole(int descriptor, int64_t offset) {
    return lseek(descriptor, offset, SEEK_HOLE);
}

int fermata_open_step(int folder, const char *name) {
    return openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int fermata_set_modification_time(int descriptor, int64_t seconds) {
    const struct timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = 0}};
    return futimens(descriptor, times);
}

int fermata_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

int fermata_resize_pipe(int end, int size) {
    fcntl(end, F_SETPIPE_SZ, size);
    return fcntl(end, F_GETPIPE_SZ);
}

int64_t fermata_splice_in(int file, int64_t offset, int pipe, uint64_t count) {
    return splice(file, &offset, pipe, NULL, count, SPLICE_F_NONBLOCK);
}

int64_t fermata_splice_out(int pipe, int socket, uint64_t count) {
    return splice(pipe, NULL, socket, NULL, count, 0);
}

int fermata_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}

int fermata_memory_file(const char *name) {
    return memfd_create(name, MFD_CLOEXEC);
}

int fermata_lies_on_tmpfs(const char *path) {
    struct statfs status;
    return statfs(path, &status) < 0 ? -1 : status.f_type == TMPFS_MAGIC;
}
