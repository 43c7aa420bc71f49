// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CFileFaults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The C library's calls that change files, each asked about before it is made. They are made without the C library,
// whose names for them are taken here.

enum { LONGEST_VECTOR = 64 };

#define FAIL_IF_CHOSEN(call, takes_space, at, name)                                                         \
    do {                                                                                                    \
        int fault = fermata_meet_file_call(call, takes_space, at, name);                                    \
        if (fault > 0) {                                                                                    \
            errno = fault;                                                                                  \
            return -1;                                                                                      \
        }                                                                                                   \
        if (fault == FERMATA_TORN_WRITE) fermata_die();                                                     \
    } while (0)

// Opening.

static int opened(int at, const char *name, int flags, mode_t mode) {
    // Only what makes a file, or takes its bytes away, changes something.
    if (flags & (O_CREAT | O_TRUNC)) FAIL_IF_CHOSEN("open", (flags & O_CREAT) != 0, at, name);
    return (int)syscall(SYS_openat, at, name, flags, mode);
}

static mode_t mode_of(int flags, va_list rest) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(function)                                                                                      \
    int function(const char *name, int flags, ...) {                                                        \
        va_list rest;                                                                                       \
        va_start(rest, flags);                                                                              \
        mode_t mode = mode_of(flags, rest);                                                                 \
        va_end(rest);                                                                                       \
        return opened(AT_FDCWD, name, flags, mode);                                                         \
    }
#define OPENAT(function)                                                                                    \
    int function(int at, const char *name, int flags, ...) {                                                \
        va_list rest;                                                                                       \
        va_start(rest, flags);                                                                              \
        mode_t mode = mode_of(flags, rest);                                                                 \
        va_end(rest);                                                                                       \
        return opened(at, name, flags, mode);                                                               \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat(const char *name, mode_t mode) {
    return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

// Writing.

ssize_t write(int file, const void *bytes, size_t length) {
    int fault = fermata_meet_file_call("write", true, file, NULL);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    ssize_t written = syscall(SYS_write, file, bytes, fault == FERMATA_TORN_WRITE ? length / 2 : length);
    if (fault == FERMATA_TORN_WRITE) fermata_die();
    return written;
}

static ssize_t written_at(int file, const void *bytes, size_t length, off_t offset) {
    int fault = fermata_meet_file_call("pwrite", true, file, NULL);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    ssize_t written = syscall(SYS_pwrite64, file, bytes, fault == FERMATA_TORN_WRITE ? length / 2 : length, offset);
    if (fault == FERMATA_TORN_WRITE) fermata_die();
    return written;
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    return written_at(file, bytes, length, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
    return written_at(file, bytes, length, offset);
}

/// Writes several buffers; at the file's own position if `offset` is -1.
static ssize_t vector(const char *call, int file, const struct iovec *parts, int number, off_t offset, int flags) {
    int fault = fermata_meet_file_call(call, true, file, NULL);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    struct iovec half[LONGEST_VECTOR];
    if (fault == FERMATA_TORN_WRITE) {
        size_t left = 0;
        for (int index = 0; index < number; index++) left += parts[index].iov_len;
        left /= 2;
        int kept = 0;
        for (; kept < number && kept < LONGEST_VECTOR && left > 0; kept++) {
            half[kept] = parts[kept];
            if (half[kept].iov_len > left) half[kept].iov_len = left;
            left -= half[kept].iov_len;
        }
        parts = half;
        number = kept;
    }
    // The offset's upper half means nothing where a register holds all of it.
    ssize_t written = syscall(SYS_pwritev2, file, parts, number, (long)offset, 0L, flags);
    if (fault == FERMATA_TORN_WRITE) fermata_die();
    return written;
}

ssize_t writev(int file, const struct iovec *parts, int number) {
    return vector("writev", file, parts, number, -1, 0);
}

ssize_t pwritev(int file, const struct iovec *parts, int number, off_t offset) {
    return vector("pwritev", file, parts, number, offset, 0);
}

ssize_t pwritev64(int file, const struct iovec *parts, int number, off_t offset) {
    return vector("pwritev", file, parts, number, offset, 0);
}

ssize_t pwritev2(int file, const struct iovec *parts, int number, off_t offset, int flags) {
    return vector("pwritev", file, parts, number, offset, flags);
}

ssize_t pwritev64v2(int file, const struct iovec *parts, int number, off_t offset, int flags) {
    return vector("pwritev", file, parts, number, offset, flags);
}

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length, unsigned flags) {
    FAIL_IF_CHOSEN("copy_file_range", true, to, NULL);
    return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags);
}

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (request == FICLONE || request == FICLONERANGE) FAIL_IF_CHOSEN("clone", true, file, NULL);
    return (int)syscall(SYS_ioctl, file, request, argument);
}

// Sizes and space.

static int sized(int file, off_t length) {
    FAIL_IF_CHOSEN("ftruncate", true, file, NULL);
    return (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length) {
    return sized(file, length);
}

int ftruncate64(int file, off_t length) {
    return sized(file, length);
}

static int allocated(int file, int mode, off_t offset, off_t length) {
    FAIL_IF_CHOSEN("fallocate", true, file, NULL);
    return (int)syscall(SYS_fallocate, file, mode, offset, length);
}

int fallocate(int file, int mode, off_t offset, off_t length) {
    return allocated(file, mode, offset, length);
}

int fallocate64(int file, int mode, off_t offset, off_t length) {
    return allocated(file, mode, offset, length);
}

// Making durable.

int fsync(int file) {
    FAIL_IF_CHOSEN("fsync", true, file, NULL);
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    FAIL_IF_CHOSEN("fdatasync", true, file, NULL);
    // A library that a test loads may take the name, too.
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return next ? next(file) : (int)syscall(SYS_fdatasync, file);
}

int syncfs(int file) {
    FAIL_IF_CHOSEN("syncfs", true, file, NULL);
    return (int)syscall(SYS_syncfs, file);
}

int sync_file_range(int file, off_t offset, off_t length, unsigned flags) {
    FAIL_IF_CHOSEN("sync_file_range", true, file, NULL);
#ifdef SYS_sync_file_range
    return (int)syscall(SYS_sync_file_range, file, offset, length, flags);
#else
    return (int)syscall(SYS_sync_file_range2, file, flags, offset, length);
#endif
}

// Names.

static int renamed(const char *call, int from, const char *old, int to, const char *new, unsigned flags) {
    FAIL_IF_CHOSEN(call, true, to, new);
    return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

int rename(const char *old, const char *new) {
    return renamed("rename", AT_FDCWD, old, AT_FDCWD, new, 0);
}

int renameat(int from, const char *old, int to, const char *new) {
    return renamed("rename", from, old, to, new, 0);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return renamed("renameat2", from, old, to, new, flags);
}

static int unlinked(const char *call, int at, const char *name, int flags) {
    FAIL_IF_CHOSEN(call, false, at, name);
    return (int)syscall(SYS_unlinkat, at, name, flags);
}

int unlink(const char *name) {
    return unlinked("unlink", AT_FDCWD, name, 0);
}

int unlinkat(int at, const char *name, int flags) {
    return unlinked("unlink", at, name, flags);
}

int rmdir(const char *name) {
    return unlinked("rmdir", AT_FDCWD, name, AT_REMOVEDIR);
}

int mkdirat(int at, const char *name, mode_t mode) {
    FAIL_IF_CHOSEN("mkdir", true, at, name);
    return (int)syscall(SYS_mkdirat, at, name, mode);
}

int mkdir(const char *name, mode_t mode) {
    return mkdirat(AT_FDCWD, name, mode);
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    FAIL_IF_CHOSEN("link", true, to, new);
    return (int)syscall(SYS_linkat, from, old, to, new, flags);
}

int link(const char *old, const char *new) {
    return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int symlinkat(const char *target, int at, const char *name) {
    FAIL_IF_CHOSEN("symlink", true, at, name);
    return (int)syscall(SYS_symlinkat, target, at, name);
}

int symlink(const char *target, const char *name) {
    return symlinkat(target, AT_FDCWD, name);
}

// Times and modes.

static int timed(int at, const char *name, const struct timespec times[2], int flags) {
    FAIL_IF_CHOSEN("utimensat", false, at, name);
    return (int)syscall(SYS_utimensat, at, name, times, flags);
}

int utimensat(int at, const char *name, const struct timespec times[2], int flags) {
    return timed(at, name, times, flags);
}

int futimens(int file, const struct timespec times[2]) {
    return timed(file, NULL, times, 0);
}

int fchmod(int file, mode_t mode) {
    FAIL_IF_CHOSEN("fchmod", false, file, NULL);
    return (int)syscall(SYS_fchmod, file, mode);
}

int fchmodat(int at, const char *name, mode_t mode, int flags) {
    // The engine follows links nowhere, and knows no flag of it.
    if (flags) {
        errno = ENOTSUP;
        return -1;
    }
    FAIL_IF_CHOSEN("chmod", false, at, name);
    return (int)syscall(SYS_fchmodat, at, name, mode);
}

int chmod(const char *name, mode_t mode) {
    return fchmodat(AT_FDCWD, name, mode, 0);
}
