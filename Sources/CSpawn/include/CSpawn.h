// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/// A program to start as a child that dies with its parent.
struct fermata_spawn {
    /// The program's file.
    const char *path;
    /// Its arguments, the first being its name; ended by NULL.
    char *const *arguments;
    /// Its environment; ended by NULL.
    char *const *environment;
    /// The descriptors that it gets as 3, 4, 5 and so on; everything else is closed.
    const int *descriptors;
    size_t descriptor_count;
    /// The descriptor that it gets as its standard error.
    int standard_error;
    /// Whether it is to outlive the calling process, as a child of nobody, instead of dying with it.
    int detached;
};

/// Starts the program: a session of its own, standard input and output at /dev/null, and unless it is detached no new
/// privileges, and SIGKILL when the calling *thread* ends. Returns its process id (0 when it is detached, and nobody's
/// child), or -1 with errno set when it could not be started; `step` then names the call that failed.
pid_t fermata_spawn(const struct fermata_spawn *request, const char **step);

/// Waits until the child has ended, without reaping it. Returns 0, or -1 with errno set.
int fermata_wait(pid_t child);

/// Reaps a child that has ended. Returns 0 with its exit status or, `signalled` being set, the signal that ended it.
int fermata_reap(pid_t child, int *status, int *signalled);

/// Copies memory of a process; as process_vm_readv and process_vm_writev.
ssize_t fermata_read_memory(
    pid_t process, const struct iovec *local, size_t local_count, const struct iovec *remote, size_t remote_count);
ssize_t fermata_write_memory(
    pid_t process, const struct iovec *local, size_t local_count, const struct iovec *remote, size_t remote_count);

/// A run of addresses.
struct fermata_address_run {
    uint64_t start;
    uint64_t end;
};

/// Finds the pages between two addresses that are the process's own: present or swapped, and not of the mapped file.
/// Fills at most `capacity` runs. Returns their number and stores where the scan ended (`end` when it is complete), or
/// -1 with errno set (ENOTTY where the kernel cannot do this).
ssize_t fermata_scan_pages(
    int pagemap, uint64_t start, uint64_t end, struct fermata_address_run *runs, size_t capacity, uint64_t *scanned);
