// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// What the files of this target share.

#pragma once

#include "CLuaShims.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

// A count hook runs after so many instructions of one thread.
#define FLUA_PERIOD 250
// How many calls of one thread may nest, and after how many of its counts they are looked at. Lua's own limit is a
// million stack slots, which most scripts' memory does not suffice for: they would hear of memory, not of recursion.
#define FLUA_NESTING 150000
#define FLUA_NESTING_PERIOD 16
// How deep closes of coroutines may nest.
#define FLUA_RESETS 4

// A thread that resumed another one and waits for it.
typedef struct flua_resumer {
    lua_State *thread;
    struct flua_resumer *previous;
} flua_resumer;

struct flua_state {
    lua_State *main;
    // The thread that runs, as far as the host and the allocator need to know.
    lua_State *current;
    flua_resumer *resumers;
    int resets;
    flua_host host;
    flua_limits limits;
    int64_t seed;

    // Memory.
    size_t bytes, peak;
    uint64_t serial;
    bool refused;
    flua_frame refused_at;
    int64_t allocations, fault, fault_count;

    // The budget of the outermost operation.
    int depth;
    int64_t steps, call_steps;
    unsigned counts;
    int64_t elapsed, since;
    int tripped;
    int finalizing;

    flua_failure failure;
    char where[LUA_IDSIZE];
};

// The payload of every userdata: a host object or a host function.
typedef struct {
    void *object;
    uint64_t serial;
    char *name;
} flua_object;

static inline flua_state *flua_of(lua_State *L) {
    void *state = NULL;
    lua_getallocf(L, &state);
    return state;
}

// budget.c
void *flua_allocate(void *state, void *block, size_t old, size_t new);
uint64_t flua_serial_of(lua_State *L, int index);
void flua_arm(lua_State *L);
void flua_begin(flua_state *s);
void flua_clock_on(flua_state *s);
void flua_clock_off(flua_state *s);
// Counts steps and ends the script when a limit is passed. Raises.
void flua_charge(lua_State *L, int64_t steps);
// Ends the script for a reason that no pcall of its own can catch. Raises.
int flua_trip(lua_State *L, int reason);
// Follows a protected call of the script's own: comes back only when the script may catch the error. Raises.
void flua_pass_limits(lua_State *L, int status);

// Counts one round of a loop in C; `rounds` starts at 0 and belongs to the loop. Raises.
static inline void flua_round(lua_State *L, int64_t *rounds) {
    // The first round pays for itself and the next ones, so that short loops are not free.
    if ((*rounds)++ % 64 == 0) {
        flua_charge(L, 64);
    }
}

// failure.c
void flua_capture(flua_state *s, lua_State *L, int level);
void flua_clear_failure(flua_state *s);
void flua_clear_frame(flua_frame *frame);
// Notes a line of a script.
void flua_place(flua_frame *frame, const char *source, const char *short_source, int line);
// Puts a frame in front of the failure's.
void flua_add_innermost(flua_state *s, const flua_frame *frame);
int flua_on_error(lua_State *L);
void flua_note_failure(flua_state *s, lua_State *L, int status);

// order.c: raises
void flua_push_sorted_keys(lua_State *L, int table);
int flua_next(lua_State *L);
int flua_pairs(lua_State *L);

// host.c
int flua_call_host(lua_State *L);
void flua_push_values(lua_State *L, const flua_values *values);
int flua_collect_object(lua_State *L);

// The libraries: each replaces what is unsafe or varies from run to run in the standard one. They raise.
void flua_open_base(lua_State *L);
void flua_open_strings(lua_State *L);
void flua_open_tables(lua_State *L);
void flua_open_coroutines(lua_State *L);
const char *flua_tolstring(lua_State *L, int index, size_t *length);
int flua_str_find(lua_State *L);
int flua_str_match(lua_State *L);
int flua_str_gmatch(lua_State *L);
int flua_str_gsub(lua_State *L);
