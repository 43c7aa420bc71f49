// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The guest's side of the command channel: PROTOCOL.md says what goes over it.
//
// One thread, one poll loop, bounded memory. It never blocks on the port, so a HELLO is always heard. Each command is a
// job:
//
//   running ── main process ends ──► ended ── its pipes are empty, EXITED queued ──► draining ── end of file ──► free
//      └────────────────────────────── a new epoch, or too much stdin: killed ───────────────────────────────────▲

#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const char port_name[] = "org.fermata.agent.0";

enum {
    type_hello = 1, type_exec = 2, type_stdin = 3, type_signal = 4,
    type_hello_ack = 65, type_started = 66, type_stdout = 67, type_stderr = 68,
    type_exited = 69, type_error = 70, type_credit = 71, type_ready = 72,
};
enum { error_no_room = 1, error_protocol = 2, error_cannot_run = 126, error_not_found = 127 };
enum { exec_wants_stdin = 1, exec_is_shell_line = 2 };
enum {
    protocol_version = 1,
    job_limit = 128,
    stdin_window = 64 << 10,
    pipe_capacity = 64 << 10,
    chunk_size = 16 << 10,
    /// Output of commands is queued up to here, replies up to twice that, before the other side must read.
    queue_soft_limit = 128 << 10,
    queue_size = 1 << 20,
};

struct job {
    enum { job_free, job_running, job_ended, job_draining } state;
    uint32_t request;
    pid_t pid;
    int status;
    int input, output, errors;
    size_t left_over[2];
    bool input_ends;
    size_t input_start, input_end;
    uint8_t *input_bytes;
};

static struct job jobs[job_limit];
static uint64_t current_epoch;
static struct frame_decoder decoder;
static int port = -1;

// MARK: What waits to be written to the port

static uint8_t queue[queue_size];
static size_t queue_start, queue_end;

static size_t queued(void) {
    return queue_end - queue_start;
}

static void send_frame(uint64_t epoch, uint16_t type, uint32_t request, const void *payload, uint32_t length) {
    if (queue_end + 2 * (size_t)length + 64 > queue_size) {
        memmove(queue, queue + queue_start, queued());
        queue_end -= queue_start;
        queue_start = 0;
    }
    // Room is kept by reading neither commands nor the port while the queue is long.
    if (queue_end + 2 * (size_t)length + 64 > queue_size) return;
    struct frame frame = {type, request, epoch, length, payload};
    queue_end += frame_encode(&frame, queue + queue_end);
}

static void reply(const struct job *job, uint16_t type, const void *payload, uint32_t length) {
    send_frame(current_epoch, type, job->request, payload, length);
}

static void send_error(uint32_t request, uint32_t code, const char *sentence) {
    uint8_t payload[256];
    const size_t length = strnlen(sentence, sizeof payload - 4);
    store32(payload, code);
    memcpy(payload + 4, sentence, length);
    send_frame(current_epoch, type_error, request, payload, (uint32_t)(4 + length));
}

static void send_credit(const struct job *job, size_t count) {
    uint8_t payload[4];
    store32(payload, (uint32_t)count);
    if (count > 0) reply(job, type_credit, payload, sizeof payload);
}

static void send_greeting(uint64_t epoch, uint16_t type) {
    uint8_t payload[12 + 37];
    store32(payload, protocol_version);
    store32(payload + 4, frame_payload_limit);
    store32(payload + 8, stdin_window);
    read_boot_id((char *)payload + 12);
    send_frame(epoch, type, 0, payload, (uint32_t)(12 + strlen((char *)payload + 12)));
}

/// Forgets the queued frames, except the rest of one whose beginning was written.
static void forget_queue(void) {
    size_t keep = queue_start;
    while (keep < queue_end && !(queue[keep] == 0xF5 && queue[keep + 1] == 0x46)) keep++;
    queue_end = keep;
}

static void write_queue(void) {
    ssize_t count = write(port, queue + queue_start, queued());
    if (count <= 0) return;
    queue_start += (size_t)count;
    if (queued() == 0) queue_start = queue_end = 0;
}

// MARK: Jobs

static void close_end(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

static void free_job(struct job *job) {
    close_end(&job->input);
    close_end(&job->output);
    close_end(&job->errors);
    free(job->input_bytes);
    *job = (struct job){.state = job_free, .input = -1, .output = -1, .errors = -1};
}

static void kill_job(struct job *job) {
    if (job->state == job_running) kill(-job->pid, SIGKILL);
    free_job(job);
}

static struct job *find_job(uint32_t request) {
    for (struct job *job = jobs; job < jobs + job_limit; job++) {
        if ((job->state == job_running || job->state == job_ended) && job->request == request) return job;
    }
    return NULL;
}

/// A free place; what a finished command left in the background gives way last.
static struct job *free_place(void) {
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

static void write_input(struct job *job) {
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

/// Passes on one chunk; false when nothing more can be read now.
static bool read_output(struct job *job, int *end, uint16_t type, size_t limit) {
    static uint8_t bytes[chunk_size];
    if (*end < 0 || limit == 0) return false;
    ssize_t count = read(*end, bytes, limit < chunk_size ? limit : chunk_size);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (count <= 0) {
        close_end(end);
        return false;
    }
    if (job->state != job_draining) reply(job, type, bytes, (uint32_t)count);
    if (job->state == job_ended) job->left_over[type == type_stderr] -= (size_t)count;
    return true;
}

/// Sends what an ended command still has in its pipes, then EXITED. Its heirs may write for ever: they are cut short.
static void settle(struct job *job) {
    while (queued() < queue_soft_limit && read_output(job, &job->output, type_stdout, job->left_over[0])) continue;
    while (queued() < queue_soft_limit && read_output(job, &job->errors, type_stderr, job->left_over[1])) continue;
    if (queued() >= queue_soft_limit) return;
    stop_input(job);
    uint8_t payload[8];
    store32(payload, WIFSIGNALED(job->status));
    store32(payload + 4, (uint32_t)(WIFSIGNALED(job->status) ? WTERMSIG(job->status) : WEXITSTATUS(job->status)));
    reply(job, type_exited, payload, sizeof payload);
    job->state = job_draining;
}

static void reap(void) {
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
static void become(char **arguments, char **variables, uint32_t variable_count, const int ends[3], int report) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    for (int i = 0; i < 3; i++) dup2(ends[i], i);
    for (uint32_t i = 0; i < variable_count; i++) putenv(variables[i]);
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

static void start(struct job *job, uint32_t flags, char **arguments, char **variables, uint32_t variable_count) {
    int input[2], output[2], errors[2], report[2];
    bool made = make_pipe(output);
    made = make_pipe(errors) && made;
    made = make_pipe(report) && made;
    if (flags & exec_wants_stdin) {
        made = make_pipe(input) && made;
        job->input_bytes = malloc(stdin_window);
        made = made && job->input_bytes;
    } else {
        input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        input[1] = -1;
    }
    const pid_t pid = made ? fork() : -1;
    if (pid == 0) become(arguments, variables, variable_count, (int[]){input[0], output[1], errors[1]}, report[1]);

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

    // Arguments (after `sh -c` for a line), a null, variables.
    char **arguments = strings;
    char **next = strings;
    if (shell) {
        *next++ = (char *)"/bin/sh";
        *next++ = (char *)"-c";
    }
    char **variables = next + argument_count + 1;
    for (uint32_t i = 0; i < argument_count + variable_count; i++) {
        char *zero = memchr(text, 0, (size_t)(end - text));
        if (!zero) break;
        if (i == argument_count) next++;
        *next++ = text;
        text = zero + 1;
    }
    const bool complete = next == variables + variable_count || (variable_count == 0 && next == variables - 1);
    if (complete && text == end) {
        job->request = frame->request;
        start(job, flags, arguments, variables, variable_count);
    } else {
        send_error(frame->request, error_protocol, broken);
    }
    free(strings);
}

// MARK: Frames from the host

static void take_stdin(struct job *job, const struct frame *frame) {
    if (job->input < 0 || job->input_ends) return send_credit(job, frame->length);
    if (frame->length == 0) job->input_ends = true;
    if (job->input_end - job->input_start + frame->length > stdin_window) {
        send_error(job->request, error_protocol, "More stdin was sent than CREDIT allowed; the command was killed.");
        return kill_job(job);
    }
    memmove(job->input_bytes, job->input_bytes + job->input_start, job->input_end - job->input_start);
    job->input_end -= job->input_start;
    job->input_start = 0;
    memcpy(job->input_bytes + job->input_end, frame->payload, frame->length);
    job->input_end += frame->length;
    write_input(job);
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
    if (frame->type == type_stdin && job) take_stdin(job, frame);
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

/// Serves one open port until it is unplugged.
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
            const bool reads = job->state == job_draining || (job->state == job_running && room);
            const bool writes = job->state == job_running && (job->input_end > job->input_start || job->input_ends);
            polled[2 + 3 * i] = (struct pollfd){.fd = reads ? job->output : -1, .events = POLLIN};
            polled[3 + 3 * i] = (struct pollfd){.fd = reads ? job->errors : -1, .events = POLLIN};
            polled[4 + 3 * i] = (struct pollfd){.fd = writes ? job->input : -1, .events = POLLOUT};
        }
        // The second's limit heals a signal that was missed between looking and waiting.
        if (poll(polled, 2 + 3 * job_limit, away ? 1000 : -1) < 0 && errno != EINTR) return;
        away = false;

        if (polled[0].revents) {
            struct signalfd_siginfo information[16];
            (void)!read(signals, information, sizeof information);
            reap();
        }
        for (int i = 0; i < job_limit; i++) {
            struct job *job = &jobs[i];
            if (polled[4 + 3 * i].revents && job->input >= 0) write_input(job);
            if (polled[2 + 3 * i].revents) read_output(job, &job->output, type_stdout, chunk_size);
            if (polled[3 + 3 * i].revents) read_output(job, &job->errors, type_stderr, chunk_size);
            if (job->state == job_ended) settle(job);
            if (job->state == job_draining && job->output < 0 && job->errors < 0) free_job(job);
        }
        if (polled[1].revents & POLLIN && !read_port(&away)) return;
        if (polled[1].revents & POLLOUT) write_queue();
        if (polled[1].revents & POLLHUP && !(polled[1].revents & POLLIN)) away = true;
        if (polled[1].revents & (POLLERR | POLLNVAL)) return;
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
    sigprocmask(SIG_BLOCK, &watched, NULL);
    const int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return 1;
    for (struct job *job = jobs; job < jobs + job_limit; job++) free_job(job);

    for (;;) {
        while ((port = open_port()) < 0) usleep(200 * 1000);
        serve(signals);
        close(port);
        // Unplugged, or broken: what was in it is lost.
        queue_start = queue_end = 0;
        usleep(200 * 1000);
    }
}
