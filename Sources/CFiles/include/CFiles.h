// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Calls and constants that the system declares for _GNU_SOURCE only, which Swift's module of it leaves out.
// Each call returns what the system's own does, and sets errno.

#ifndef FERMATA_CFILES_H
#define FERMATA_CFILES_H

#include <stdint.h>

/// Reserves space for a range; the file grows as needed.
int fermata_allocate(int descriptor, int64_t offset, int64_t length);

/// Gives a range's space back; the length stays.
int fermata_punch_hole(int descriptor, int64_t offset, int64_t length);

/// Begins to bring what was written to a range to the disk; promises nothing.
int fermata_begin_writeback(int descriptor, int64_t offset, int64_t length);

/// Finds the next data at or after an offset; ENXIO when there is none.
int64_t fermata_seek_data(int descriptor, int64_t offset);

/// Finds the next hole at or after an offset.
int64_t fermata_seek_hole(int descriptor, int64_t offset);

/// Opens a folder to walk on from, refusing a link.
int fermata_open_step(int folder, const char *name);

/// Sets the time of the last change, in seconds since 1970, and leaves the time of the last access.
int fermata_set_modification_time(int descriptor, int64_t seconds);

/// Makes a pipe: `ends[0]` is read from and `ends[1]` written to.
int fermata_pipe(int ends[2]);

/// Asks for a pipe's size in bytes.
///
/// Returns the size that it has now, or -1.
int fermata_resize_pipe(int end, int size);

/// Moves bytes from a file's offset into a pipe, without waiting for room in it.
int64_t fermata_splice_in(int file, int64_t offset, int pipe, uint64_t count);

/// Moves bytes from a pipe to a socket, waiting for room in that.
int64_t fermata_splice_out(int pipe, int socket, uint64_t count);

/// Puts each of two names in the other's place at one moment.
int fermata_exchange(const char *one, const char *other);

/// Makes an anonymous file in memory, closed on exec.
int fermata_memory_file(const char *name);

/// Whether a file lies on a tmpfs: 1 or 0.
int fermata_lies_on_tmpfs(const char *path);

#endif
