// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// One static program under several names, to keep the guest small.

#include "guest.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void read_boot_id(char text[37]) {
    text[0] = 0;
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t count = read(file, text, 36);
    text[count == 36 ? 36 : 0] = 0;
    close(file);
}

/// Runs a program once something was typed, so that an idle console stays free of prompts.
static int attend_main(int argc, char **argv) {
    if (argc < 2) {
        fputs("usage: attend PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    struct pollfd input = {.fd = 0, .events = POLLIN};
    while (poll(&input, 1, -1) < 1) continue;
    // A shell lets what it starts in the background ignore these, and what ignores them passes that on.
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    if (!strcmp(name, "agent")) return agent_main(argc, argv);
    if (!strcmp(name, "witness")) return witness_main(argc, argv);
    if (!strcmp(name, "attend")) return attend_main(argc, argv);
    fprintf(stderr, "%s: call this program as agent, witness or attend\n", name);
    return 2;
}
