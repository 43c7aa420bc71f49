// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// A Lua state for hosts whose frames must never be jumped over.
//
// Lua reports an error with longjmp. Every function declared here either cannot raise one, or runs the part that can
// under lua_pcall and returns whether it failed. Host code is entered through `flua_host.call` only and returns a
// count; the C frame that called it raises the error once the host's frame is gone.

#pragma once

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/// A Lua state with its limits.
typedef struct flua_state flua_state;

/// What the host answers when it wants an error raised; the error's message lies on top of the thread's stack.
#define FLUA_RAISE (-1)

/// How the state reaches its host. None of these may raise a Lua error.
typedef struct {
    void *owner;
    /// Runs a host function: pushes results and returns their count, or pushes a message and returns FLUA_RAISE.
    int (*call)(void *owner, void *function, lua_State *thread, int arguments);
    /// Lets go of a host object or host function that no script can reach any more.
    void (*release)(void *object);
    /// Whether the script has to end now.
    int (*interrupted)(void *owner);
} flua_host;

/// What a script may use; 0 is no limit.
typedef struct {
    size_t memory;
    int64_t steps;
    int64_t nanoseconds;
} flua_limits;

/// Why an operation failed.
enum flua_reason {
    FLUA_NONE = 0,
    FLUA_RUNTIME,
    FLUA_SYNTAX,
    FLUA_MEMORY,
    FLUA_STEPS,
    FLUA_TIME,
    FLUA_CANCELLED,
    FLUA_FINALIZING,
};

enum flua_kind {
    FLUA_NIL = 0,
    FLUA_BOOLEAN,
    FLUA_INTEGER,
    FLUA_NUMBER,
    FLUA_STRING,
    FLUA_TABLE,
    FLUA_FUNCTION,
    FLUA_USERDATA,
    FLUA_THREAD,
    FLUA_UNKNOWN,
};

/// A value on its way between the host and Lua.
///
/// From the host, a string is `length` bytes at `integer` in the buffer given along, and whatever has an identity is
/// the reference `integer`. To the host, a string is `length` bytes at `bytes`, valid while the value is on the stack.
typedef struct {
    int kind;
    int64_t integer;
    double number;
    const char *bytes;
    size_t length;
    const void *identity;
    void *object;
} flua_value;

/// Values that the host passes in.
typedef struct {
    const flua_value *values;
    int count;
    const char *bytes;
} flua_values;

enum flua_frame_kind { FLUA_FRAME_MAIN, FLUA_FRAME_SCRIPT, FLUA_FRAME_HOST, FLUA_FRAME_LIBRARY };

/// One call of a traceback, innermost first.
typedef struct {
    int kind;
    /// The line that was running; 0 when unknown, and then there is no chunk and no prefix.
    int line;
    /// The chunk's name as given when it was loaded.
    char *chunk;
    /// What Lua puts before a message that is raised here, such as "...long/path.lua:12: ".
    char *prefix;
    char *name;
} flua_frame;

/// What is known of the last failure; valid until the next operation.
typedef struct {
    int reason;
    /// Whether the function that failed was Lua code, and not a call of `error`.
    int raised_by_script;
    char *message;
    size_t message_length;
    flua_frame *frames;
    int frame_count;
    /// How many frames between the innermost and the outermost ones were left out.
    int frames_left_out;
} flua_failure;

// The state. Values are addressed by references; a reference is a small positive number.

/// Makes a state, or returns NULL when memory does not suffice. From the `fault`th allocation on, `fault_count`
/// allocations fail (0: none, negative: all).
flua_state *flua_open(const flua_host *host, const flua_limits *limits, int64_t seed, int64_t fault,
                      int64_t fault_count);
/// Ends the state and returns how many bytes it failed to give back.
size_t flua_close(flua_state *s);
/// Whether an operation is under way, so that the state cannot be closed.
int flua_busy(const flua_state *s);
/// The bytes in use, the most there were at once, and the allocations asked for.
size_t flua_bytes(const flua_state *s);
size_t flua_peak(const flua_state *s);
int64_t flua_allocations(const flua_state *s);
/// The steps that the current or last outermost operation took.
int64_t flua_steps(const flua_state *s);
const flua_failure *flua_last_failure(const flua_state *s);
/// The thread whose stack holds results: the one that called the host, else the main one.
lua_State *flua_current(const flua_state *s);

// Operations. Each returns FLUA_NONE or the reason why it failed; results lie on top of flua_current's stack.

/// `name` is shown as it stands.
int flua_load(flua_state *s, const char *source, size_t length, const char *name, int *reference);
int flua_call(flua_state *s, int function, const flua_values *arguments);
int flua_new_table(flua_state *s, int array, int fields, int *reference);
/// `raw` leaves metamethods out.
int flua_get(flua_state *s, int table, const flua_values *key, int raw);
/// `pair` is the key and the value.
int flua_set(flua_state *s, int table, const flua_values *pair, int raw);
int flua_length(flua_state *s, int table, int raw, int64_t *length);
/// Leaves a new table with the keys, in the order of `pairs`.
int flua_keys(flua_state *s, int table, int *reference, int64_t *count);
/// Leaves the value as `tostring` shows it.
int flua_to_string(flua_state *s, const flua_values *value);
/// Makes a function that enters the host; `*taken` tells whether the state now owns `function`.
int flua_new_function(flua_state *s, void *function, const char *name, int *reference, int *taken);
/// Makes a userdata with the given metatable, which flua_seal prepared.
int flua_new_userdata(flua_state *s, void *object, int metatable, int *reference, int *taken);
/// Makes a table the metatable of a userdata type: scripts cannot reach it. `methods` and `index` answer reads.
int flua_seal(flua_state *s, int metatable, int methods, int index);
int flua_set_metatable(flua_state *s, int table, int metatable);
/// Makes the function with this reference the one that `print` and `warn` call with each line.
int flua_set_printer(flua_state *s, int function);
int flua_collect(flua_state *s);
int flua_push(flua_state *s, const flua_values *values);
/// Keeps the value at `index` of the current thread.
int flua_keep(flua_state *s, int index, int *reference);

/// Makes a reference to the table of globals.
int flua_globals(flua_state *s, int *reference);

// What cannot fail.

void flua_forget(flua_state *s, int reference);
/// The address of a reference's object.
size_t flua_identity(flua_state *s, int reference);
int flua_top(lua_State *thread);
void flua_set_top(lua_State *thread, int top);
void flua_read(lua_State *thread, int index, flua_value *value);
/// The chunk and line of the script that is running, seen from the current thread; NULL when none is.
const char *flua_where(flua_state *s, int *line);
/// Fills flua_last_failure's frames with the calls that are running.
void flua_take_traceback(flua_state *s);
