// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Stands in the place of the C library's calls that change files, in a program that is linked with it: counts those
// beneath one folder, and lets one of them be the program's last, or fail.
//
//   FERMATA_FILE_FOLDER=PATH    counts; unset, every call goes straight through
//   FERMATA_FILE_LOG=PATH       gets a line for each counted call: its number, its name, its file
//   FERMATA_FILE_FAULT=FAULT    what happens at the N-th
//
//   kill:N      the program is killed before it
//   tear:N      the program is killed after the first half of what is written
//   CODE:N      it fails; CODE is ENOSPC or EIO
//   CODE:N+     it fails, and so do all after it: for want of space those that take some, else all
//
// Sockets, pipes, devices and files without a name lie beneath no folder, and do not count.

#ifndef FERMATA_CFILEFAULTS_H
#define FERMATA_CFILEFAULTS_H

#include <stdbool.h>

/// What ``fermata_meet_file_call`` returns when half of a write is to be made, after which the program dies.
enum { FERMATA_TORN_WRITE = -2 };

/// Counts a call that changes a file, by the file's path, or by its descriptor alone.
///
/// Returns 0 when the call is to be made, FERMATA_TORN_WRITE when half of it is, and else the number of the error with
/// which it fails.
int fermata_meet_file_call(const char *call, bool takes_space, int at, const char *name);

/// Ends the program as a crash does.
void fermata_die(void) __attribute__((noreturn));

#endif
