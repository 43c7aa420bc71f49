// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// What the parts of the agent share: replies.c queues frames for the host, job.c runs commands, agent.c does the rest.

#pragma once

#include "guest.h"

#include <sys/types.h>

enum {
    type_hello = 1, type_exec = 2, type_stdin = 3, type_signal = 4, type_taken = 5,
    type_hello_ack = 65, type_started = 66, type_stdout = 67, type_stderr = 68,
    type_exited = 69, type_error = 70, type_credit = 71, type_ready = 72,
};
enum { error_no_room = 1, error_protocol = 2, error_cannot_run = 126, error_not_found = 127 };
enum {
    stdin_window = 64 << 10,
    output_window = 256 << 10,
    job_limit = 128,
    chunk_size = 16 << 10,
    /// Output of commands is queued up to here, replies up to twice that, before the other side must read.
    queue_soft_limit = 128 << 10,
};

/// A command, and what it left behind.
struct job {
    enum { job_free, job_running, job_ended, job_draining } state;
    uint32_t request;
    pid_t pid;
    int status;
    int input, output, errors;
    /// Whether its output waits for TAKEN, and how much of it may be sent until then.
    bool is_limited;
    size_t window;
    /// How much of stdout and of stderr may still be sent once the command ended.
    size_t left_over[2];
    bool input_ends;
    size_t input_start, input_end;
    uint8_t *input_bytes;
};

extern struct job jobs[job_limit];
extern uint64_t current_epoch;

size_t queued(void);
void send_frame(uint64_t epoch, uint16_t type, uint32_t request, const void *payload, uint32_t length);
void send_error(uint32_t request, uint32_t code, const char *sentence);
void send_credit(const struct job *job, size_t count);
void send_greeting(uint64_t epoch, uint16_t type);
/// Forgets the queued frames, except the rest of one whose beginning was written.
void forget_queue(void);
void empty_queue(void);
void write_queue(int port);

/// A free place; what a finished command left in the background gives way last.
struct job *free_place(void);
void free_job(struct job *job);
void kill_job(struct job *job);
struct job *find_job(uint32_t request);
/// Runs the command in a free place and reports how that went. The lists end with a null.
void start_job(struct job *job, bool wants_stdin, char **arguments, char **variables);
/// Whether more of the command's output may be sent now.
bool has_window(const struct job *job);
/// The host has taken so much output; all that there is and will be, for `UINT32_MAX`.
void take_window(struct job *job, uint32_t count);
void take_stdin(struct job *job, const uint8_t *bytes, uint32_t length);
void write_input(struct job *job);
/// Passes on one chunk; false when nothing more can be read now.
bool read_output(struct job *job, int *end, uint16_t type, size_t limit);
/// Sends what an ended command still has in its pipes, then EXITED. Its heirs may write for ever: they are cut short.
void settle_job(struct job *job);
/// Notes which commands ended.
void reap_jobs(void);
