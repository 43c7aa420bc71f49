// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The guest's side of the command channel: PROTOCOL.md says what goes over it.
//
// One thread, one poll loop, bounded memory. It never blocks on the port, so a HELLO is always heard.

#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char port_name[] = "org.fermata.agent.0";

enum { exec_wants_stdin = 1, exec_is_shell_line = 2, exec_limits_output = 4 };

uint64_t current_epoch;
static struct frame_decoder decoder;
static int port = -1;
static bool ending;

// MARK: Frames from the host

static void exec_command(const struct frame *frame) {
    static const char broken[] = "The EXEC frame's payload is not well-formed.";
    if (find_job(frame->request)) {
        return send_error(frame->request, error_protocol, "This request number belongs to a command that still runs.");
    }
    if (frame->length < 12) return send_error(frame->request, error_protocol, broken);
    const uint32_t flags = load32(frame->payload);
    const uint32_t argument_count = load32(frame->payload + 4), variable_count = load32(frame->payload + 8);
    const bool shell = flags & exec_is_shell_line;
    char *text = (char *)frame->payload + 12, *end = (char *)frame->payload + frame->length;
    if (argument_count < 1 || argument_count > frame->length || variable_count > frame->length
        || (shell && argument_count != 1)) {
        return send_error(frame->request, error_protocol, broken);
    }
    struct job *job = free_place();
    char **strings = job ? calloc((size_t)argument_count + variable_count + 4, sizeof *strings) : NULL;
    if (!strings) return send_error(frame->request, error_no_room, "The guest runs too many commands at once.");

    // Arguments (after `sh -c` for a line), a null, variables, a null.
    char **arguments = strings;
    char **next = strings;
    if (shell) {
        *next++ = (char *)"/bin/sh";
        *next++ = (char *)"-c";
    }
    char **variables = next + argument_count + 1;
    const uint32_t count = argument_count + variable_count;
    uint32_t found = 0;
    for (char *zero; found < count && (zero = memchr(text, 0, (size_t)(end - text))); found++) {
        if (found < argument_count) next[found] = text;
        else variables[found - argument_count] = text;
        text = zero + 1;
    }
    if (found == count && text == end) {
        job->request = frame->request;
        job->is_limited = flags & exec_limits_output;
        job->window = output_window;
        start_job(job, flags & exec_wants_stdin, arguments, variables);
    } else {
        send_error(frame->request, error_protocol, broken);
    }
    free(strings);
}

static void begin_epoch(uint64_t epoch) {
    if (epoch == 0) return;
    if (epoch != current_epoch) {
        for (struct job *job = jobs; job < jobs + job_limit; job++) {
            if (job->state == job_running || job->state == job_ended) kill_job(job);
        }
        forget_queue();
        current_epoch = epoch;
    }
    send_greeting(epoch, type_hello_ack);
}

static void take_frame(const struct frame *frame) {
    if (frame->type == type_hello) return begin_epoch(frame->epoch);
    if (frame->epoch != current_epoch || current_epoch == 0) return;
    struct job *job = find_job(frame->request);
    if (frame->type == type_exec) exec_command(frame);
    if (frame->type == type_stdin && job) take_stdin(job, frame->payload, frame->length);
    if (frame->type == type_taken && job && frame->length == 4) take_window(job, load32(frame->payload));
    if (frame->type == type_signal && job && job->state == job_running && frame->length == 4) {
        const uint32_t number = load32(frame->payload);
        if (number > 0 && number <= (uint32_t)SIGRTMAX) kill(-job->pid, (int)number);
    }
}

// MARK: The port

static int open_port(void) {
    static const char folder[] = "/sys/class/virtio-ports";
    int found = -1;
    DIR *ports = opendir(folder);
    if (!ports) return -1;
    for (struct dirent *entry; found < 0 && (entry = readdir(ports));) {
        char path[300], name[64] = "";
        snprintf(path, sizeof path, "%s/%s/name", folder, entry->d_name);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        if (fgets(name, sizeof name, file)) name[strcspn(name, "\n")] = 0;
        fclose(file);
        if (strcmp(name, port_name) != 0) continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        found = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    closedir(ports);
    if (found < 0) return -1;
    // SIGIO tells when the host comes or goes; poll alone would return at once for as long as it is away.
    fcntl(found, F_SETOWN, getpid());
    fcntl(found, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
    return found;
}

/// False when the port is gone.
static bool read_port(bool *away) {
    static uint8_t bytes[chunk_size];
    ssize_t count = read(port, bytes, sizeof bytes);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    *away = count == 0;
    struct frame frame;
    for (ssize_t i = 0; i < count; i++) {
        if (frame_decode(&decoder, bytes[i], &frame)) take_frame(&frame);
    }
    return true;
}

static void take_signals(int signals) {
    struct signalfd_siginfo information[16];
    const ssize_t size = read(signals, information, sizeof information);
    for (ssize_t i = 0; i < size / (ssize_t)sizeof *information; i++) {
        ending = ending || information[i].ssi_signo == SIGTERM;
    }
}

static bool commands_run(void) {
    for (const struct job *job = jobs; job < jobs + job_limit; job++) {
        if (job->state == job_running || job->state == job_ended) return true;
    }
    return false;
}

/// Serves one open port until it is unplugged or the agent shall end.
static void serve(int signals) {
    bool away = false;
    send_greeting(0, type_ready);
    for (;;) {
        struct pollfd polled[2 + 3 * job_limit];
        const bool room = queued() < queue_soft_limit, listens = queued() < 2 * queue_soft_limit;
        polled[0] = (struct pollfd){.fd = signals, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = away ? -1 : port, .events = listens ? POLLIN : 0};
        if (queued() > 0) polled[1].events |= POLLOUT;
        for (int i = 0; i < job_limit; i++) {
            const struct job *job = &jobs[i];
            const bool reads = job->state == job_draining || (job->state == job_running && room && has_window(job));
            const bool writes = job->state == job_running && (job->input_end > job->input_start || job->input_ends);
            polled[2 + 3 * i] = (struct pollfd){.fd = reads ? job->output : -1, .events = POLLIN};
            polled[3 + 3 * i] = (struct pollfd){.fd = reads ? job->errors : -1, .events = POLLIN};
            polled[4 + 3 * i] = (struct pollfd){.fd = writes ? job->input : -1, .events = POLLOUT};
        }
        // The second's limit heals a signal that was missed between looking and waiting.
        if (poll(polled, 2 + 3 * job_limit, away ? 1000 : -1) < 0 && errno != EINTR) return;
        away = false;

        if (polled[0].revents) {
            take_signals(signals);
            reap_jobs();
        }
        for (int i = 0; i < job_limit; i++) {
            struct job *job = &jobs[i];
            if (polled[4 + 3 * i].revents && job->input >= 0) write_input(job);
            if (polled[2 + 3 * i].revents) read_output(job, &job->output, type_stdout, chunk_size);
            if (polled[3 + 3 * i].revents) read_output(job, &job->errors, type_stderr, chunk_size);
            if (job->state == job_ended) settle_job(job);
            if (job->state == job_draining && job->output < 0 && job->errors < 0) free_job(job);
        }
        if (polled[1].revents & POLLIN && !read_port(&away)) return;
        if (polled[1].revents & POLLOUT) write_queue(port);
        if (polled[1].revents & POLLHUP && !(polled[1].revents & POLLIN)) away = true;
        if (polled[1].revents & (POLLERR | POLLNVAL)) return;
        // The commands are told of the machine's end as well; what they still have to say is passed on first.
        if (ending && !commands_run() && (away || queued() == 0)) return;
    }
}

int agent_main(int argc, char **argv) {
    (void)argv;
    if (argc != 1) {
        fputs("usage: agent\n", stderr);
        return 2;
    }
    if (chdir("/") != 0) return 1;
    signal(SIGPIPE, SIG_IGN);
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGIO);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    const int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return 1;
    for (struct job *job = jobs; job < jobs + job_limit; job++) free_job(job);

    while (!ending) {
        if ((port = open_port()) >= 0) {
            serve(signals);
            close(port);
            // Unplugged, or broken: what was in it is lost.
            empty_queue();
        }
        if (!ending) poll(&(struct pollfd){.fd = signals, .events = POLLIN}, 1, 100);
        take_signals(signals);
    }
    return 0;
}
