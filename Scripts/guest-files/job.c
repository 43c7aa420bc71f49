// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Commands: each is a job with pipes of its own, in a session and process group of its own.
//
//   running ── main process ends ──► ended ── its pipes are empty, EXITED queued ──► draining ── end of file ──► free
//      └────────────────────────────── a new epoch, or too much stdin: killed ───────────────────────────────────▲

#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { pipe_capacity = 64 << 10 };

struct job jobs[job_limit];

static void close_end(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

static void reply(const struct job *job, uint16_t type, const void *payload, uint32_t length) {
    send_frame(current_epoch, type, job->request, payload, length);
}

void free_job(struct job *job) {
    close_end(&job->input);
    close_end(&job->output);
    close_end(&job->errors);
    free(job->input_bytes);
    *job = (struct job){.state = job_free, .input = -1, .output = -1, .errors = -1};
}

void kill_job(struct job *job) {
    if (job->state == job_running) kill(-job->pid, SIGKILL);
    free_job(job);
}

struct job *find_job(uint32_t request) {
    for (struct job *job = jobs; job < jobs + job_limit; job++) {
        if ((job->state == job_running || job->state == job_ended) && job->request == request) return job;
    }
    return NULL;
}

struct job *free_place(void) {
    struct job *draining = NULL;
    for (struct job *job = jobs; job < jobs + job_limit; job++) {
        if (job->state == job_free) return job;
        if (job->state == job_draining) draining = job;
    }
    if (draining) free_job(draining);
    return draining;
}

static void stop_input(struct job *job) {
    close_end(&job->input);
    send_credit(job, job->input_end - job->input_start);
    job->input_start = job->input_end = 0;
}

void write_input(struct job *job) {
    const size_t waiting = job->input_end - job->input_start;
    if (waiting > 0) {
        ssize_t count = write(job->input, job->input_bytes + job->input_start, waiting);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (count < 0) return stop_input(job);
        job->input_start += (size_t)count;
        send_credit(job, (size_t)count);
    }
    if (job->input_start < job->input_end) return;
    job->input_start = job->input_end = 0;
    if (job->input_ends) close_end(&job->input);
}

void take_stdin(struct job *job, const uint8_t *bytes, uint32_t length) {
    if (job->input < 0 || job->input_ends) return send_credit(job, length);
    if (length == 0) job->input_ends = true;
    if (job->input_end - job->input_start + length > stdin_window) {
        send_error(job->request, error_protocol, "More stdin was sent than CREDIT allowed; the command was killed.");
        return kill_job(job);
    }
    memmove(job->input_bytes, job->input_bytes + job->input_start, job->input_end - job->input_start);
    job->input_end -= job->input_start;
    job->input_start = 0;
    memcpy(job->input_bytes + job->input_end, bytes, length);
    job->input_end += length;
    write_input(job);
}

bool has_window(const struct job *job) {
    return !job->is_limited || job->window > 0;
}

void take_window(struct job *job, uint32_t count) {
    if (count == UINT32_MAX) job->is_limited = false;
    job->window = count < output_window - job->window ? job->window + count : output_window;
    if (job->state == job_ended) settle_job(job);
}

bool read_output(struct job *job, int *end, uint16_t type, size_t limit) {
    static uint8_t bytes[chunk_size];
    const bool counts = job->is_limited && job->state != job_draining;
    if (limit > chunk_size) limit = chunk_size;
    if (counts && limit > job->window) limit = job->window;
    if (*end < 0 || limit == 0) return false;
    ssize_t count = read(*end, bytes, limit);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (count <= 0) {
        close_end(end);
        return false;
    }
    if (counts) job->window -= (size_t)count;
    if (job->state != job_draining) reply(job, type, bytes, (uint32_t)count);
    if (job->state == job_ended) job->left_over[type == type_stderr] -= (size_t)count;
    return true;
}

void settle_job(struct job *job) {
    while (queued() < queue_soft_limit && read_output(job, &job->output, type_stdout, job->left_over[0])) continue;
    while (queued() < queue_soft_limit && read_output(job, &job->errors, type_stderr, job->left_over[1])) continue;
    if (queued() >= queue_soft_limit || !has_window(job)) return;
    stop_input(job);
    uint8_t payload[8];
    store32(payload, WIFSIGNALED(job->status));
    store32(payload + 4, (uint32_t)(WIFSIGNALED(job->status) ? WTERMSIG(job->status) : WEXITSTATUS(job->status)));
    reply(job, type_exited, payload, sizeof payload);
    job->state = job_draining;
}

void reap_jobs(void) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (struct job *job = jobs; job < jobs + job_limit; job++) {
            if (job->state != job_running || job->pid != pid) continue;
            job->state = job_ended;
            job->status = status;
            job->left_over[0] = job->left_over[1] = pipe_capacity;
        }
    }
}

// MARK: Starting a command

/// In the new process: becomes the command, or reports errno through `report`.
static void become(char **arguments, char **variables, const int ends[3], int report) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    for (int i = 0; i < 3; i++) dup2(ends[i], i);
    while (*variables) putenv(*variables++);
    execvp(arguments[0], arguments);
    const int failure = errno;
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

static bool make_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) == 0) return true;
    ends[0] = ends[1] = -1;
    return false;
}

void start_job(struct job *job, bool wants_stdin, char **arguments, char **variables) {
    int input[2], output[2], errors[2], report[2];
    bool made = make_pipe(output);
    made = make_pipe(errors) && made;
    made = make_pipe(report) && made;
    if (wants_stdin) {
        made = make_pipe(input) && made;
        job->input_bytes = malloc(stdin_window);
        made = made && job->input_bytes;
    } else {
        input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        input[1] = -1;
    }
    const pid_t pid = made ? fork() : -1;
    if (pid == 0) become(arguments, variables, (int[]){input[0], output[1], errors[1]}, report[1]);

    int failure = pid < 0 ? (errno ? errno : EAGAIN) : 0;
    close_end(&input[0]);
    close_end(&output[1]);
    close_end(&errors[1]);
    close_end(&report[1]);
    // The other end closes when the command begins to run.
    while (pid > 0 && read(report[0], &failure, sizeof failure) < 0 && errno == EINTR) continue;
    close_end(&report[0]);
    job->input = input[1];
    job->output = output[0];
    job->errors = errors[0];
    if (failure) {
        char sentence[200];
        snprintf(sentence, sizeof sentence, "%.120s cannot be run: %s.", arguments[0], strerror(failure));
        const bool missing = failure == ENOENT || failure == ENOTDIR;
        send_error(job->request, pid < 0 ? error_no_room : missing ? error_not_found : error_cannot_run, sentence);
        return free_job(job);
    }
    const int ours[] = {job->input, job->output, job->errors};
    for (int i = 0; i < 3; i++) {
        if (ours[i] >= 0) fcntl(ours[i], F_SETFL, O_NONBLOCK);
    }
    job->state = job_running;
    job->pid = pid;
    uint8_t payload[4];
    store32(payload, (uint32_t)pid);
    reply(job, type_started, payload, sizeof payload);
}
