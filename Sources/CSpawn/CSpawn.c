// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What the child tells through the pipe when it cannot become the program.
struct failure {
    int error;
    int step;
};

static const char *const steps[] = {"setsid", "prctl", "parent", "dup", "open /dev/null", "close_range", "exec", "fork"};
enum step { STEP_SETSID, STEP_PRCTL, STEP_PARENT, STEP_DUP, STEP_NULL, STEP_CLOSE, STEP_EXEC, STEP_FORK };

_Noreturn static void fail(int report, enum step step) {
    struct failure failure = {.error = errno, .step = step};
    ssize_t written = write(report, &failure, sizeof failure);
    (void)written;
    _exit(127);
}

static void close_from(int first, int report) {
    if (syscall(SYS_close_range, first, ~0u, 0) == 0) { return; }
    // Kernels before 5.9.
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) { fail(report, STEP_CLOSE); }
    for (rlim_t descriptor = (rlim_t)first; descriptor < limit.rlim_cur; descriptor++) { close((int)descriptor); }
}

// Ends the child, its own child going on: nobody has to wait for that one.
static void leave_parent(int report) {
    const pid_t child = fork();
    if (child < 0) { fail(report, STEP_FORK); }
    if (child > 0) { _exit(0); }
    if (chdir("/") != 0) { fail(report, STEP_FORK); }
}

static void die_with(pid_t parent, int report) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) { fail(report, STEP_PRCTL); }
    // A parent that died before the call above sends no signal any more.
    if (getppid() != parent) {
        errno = ESRCH;
        fail(report, STEP_PARENT);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) { fail(report, STEP_PRCTL); }
}

// Only async-signal-safe calls: the parent has many threads.
_Noreturn static void become(const struct fermata_spawn *request, pid_t parent, int report, int *moved) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < NSIG; signal++) { sigaction(signal, &standard, NULL); }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (setsid() < 0) { fail(report, STEP_SETSID); }
    if (request->detached) {
        leave_parent(report);
    } else {
        die_with(parent, report);
    }

    // Everything goes above all target numbers first, so that no target overwrites a source.
    const int count = (int)request->descriptor_count;
    const int above = 3 + count + 1;
    for (int index = 0; index < count; index++) {
        moved[index] = fcntl(request->descriptors[index], F_DUPFD_CLOEXEC, above);
        if (moved[index] < 0) { fail(report, STEP_DUP); }
    }
    int error = fcntl(request->standard_error, F_DUPFD_CLOEXEC, above);
    if (error < 0) { fail(report, STEP_DUP); }
    int high = fcntl(report, F_DUPFD_CLOEXEC, above);
    if (high < 0) { fail(report, STEP_DUP); }
    report = high;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) { fail(report, STEP_NULL); }
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(error, 2) < 0) { fail(report, STEP_DUP); }
    // A dup2 to the same number leaves CLOEXEC set.
    if (fcntl(0, F_SETFD, 0) != 0 || fcntl(1, F_SETFD, 0) != 0) { fail(report, STEP_DUP); }
    for (int index = 0; index < count; index++) {
        if (dup2(moved[index], 3 + index) < 0) { fail(report, STEP_DUP); }
    }
    const int last = 3 + count;
    if (dup3(report, last, O_CLOEXEC) < 0) { fail(report, STEP_DUP); }
    report = last;
    close_from(last + 1, report);

    execve(request->path, request->arguments, request->environment);
    fail(report, STEP_EXEC);
}

pid_t fermata_spawn(const struct fermata_spawn *request, const char **step) {
    *step = "pipe";
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) { return -1; }
    int *moved = calloc(request->descriptor_count + 1, sizeof *moved);
    if (moved == NULL) {
        close(report[0]);
        close(report[1]);
        return -1;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t parent = getpid();
    *step = "fork";
    const pid_t child = fork();
    if (child == 0) { become(request, parent, report[1], moved); }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free(moved);
    close(report[1]);
    if (child < 0) {
        close(report[0]);
        errno = error;
        return -1;
    }
    struct failure failure = {0};
    ssize_t count;
    do {
        count = read(report[0], &failure, sizeof failure);
    } while (count < 0 && errno == EINTR);
    close(report[0]);
    // Nothing in the pipe: exec closed it, or the child was killed, which who waits for it will see.
    if (count != sizeof failure && !request->detached) { return child; }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    if (count != sizeof failure) { return 0; }
    *step = steps[failure.step];
    errno = failure.error;
    return -1;
}

int fermata_wait(pid_t child) {
    siginfo_t information;
    int result;
    do {
        result = waitid(P_PID, (id_t)child, &information, WEXITED | WNOWAIT);
    } while (result != 0 && errno == EINTR);
    return result;
}

int fermata_reap(pid_t child, int *status, int *signalled) {
    int raw = 0;
    pid_t result;
    do {
        result = waitpid(child, &raw, 0);
    } while (result < 0 && errno == EINTR);
    if (result < 0) { return -1; }
    *signalled = WIFSIGNALED(raw);
    *status = *signalled ? WTERMSIG(raw) : WEXITSTATUS(raw);
    return 0;
}
