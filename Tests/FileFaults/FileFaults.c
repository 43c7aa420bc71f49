// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CFileFaults.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Which call is to be met by which fault. What it does itself it does without the C library, whose calls count.

enum { KILL = -1 };

static struct {
    const char *folder;
    size_t folder_length;
    int log;
    /// An error's number, KILL or FERMATA_TORN_WRITE; 0 for none.
    int fault;
    int first;
    bool lasts;
} settings;
static atomic_int counted;
static pthread_once_t is_ready = PTHREAD_ONCE_INIT;

static void prepare(void) {
    const char *folder = getenv("FERMATA_FILE_FOLDER");
    const char *log = getenv("FERMATA_FILE_LOG");
    const char *fault = getenv("FERMATA_FILE_FAULT");
    settings.log = -1;
    if (!folder) return;
    settings.folder = strdup(folder);
    settings.folder_length = strlen(folder);
    if (log) settings.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *number = fault ? strchr(fault, ':') : NULL;
    if (!number) return;
    if (!strncmp(fault, "kill", 4)) settings.fault = KILL;
    if (!strncmp(fault, "tear", 4)) settings.fault = FERMATA_TORN_WRITE;
    if (!strncmp(fault, "ENOSPC", 6)) settings.fault = ENOSPC;
    if (!strncmp(fault, "EIO", 3)) settings.fault = EIO;
    settings.first = atoi(number + 1);
    settings.lasts = strchr(number, '+') != NULL;
}

void fermata_die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    while (true) pause();
}

/// Whether a file lies beneath the folder; its path is put together in `path`.
static bool is_beneath(int at, const char *name, char path[PATH_MAX]) {
    size_t length = 0;
    if (!name || name[0] != '/') {
        char link[32];
        if (at == AT_FDCWD) {
            snprintf(link, sizeof link, "/proc/self/cwd");
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        }
        ssize_t read = readlink(link, path, PATH_MAX - 1);
        if (read <= 0) return false;
        length = (size_t)read;
        if (name && name[0] && length < PATH_MAX - 1) path[length++] = '/';
        path[length] = 0;
    }
    if (name) snprintf(path + length, PATH_MAX - length, "%s", name);
    const char *folder = settings.folder;
    return !strncmp(path, folder, settings.folder_length)
        && (path[settings.folder_length] == '/' || !path[settings.folder_length]);
}

int fermata_meet_file_call(const char *call, bool takes_space, int at, const char *name) {
    pthread_once(&is_ready, prepare);
    if (!settings.folder) return 0;
    int before = errno;
    char path[PATH_MAX];
    if (!is_beneath(at, name, path)) {
        errno = before;
        return 0;
    }
    int number = ++counted;
    if (settings.log >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%d %s %s\n", number, call, path);
        syscall(SYS_write, settings.log, line, length);
    }
    errno = before;
    if (!settings.fault || number < settings.first) return 0;
    if (number == settings.first) {
        if (settings.fault == KILL) fermata_die();
        return settings.fault;
    }
    return settings.lasts && (settings.fault != ENOSPC || takes_space) ? settings.fault : 0;
}
