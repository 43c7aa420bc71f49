// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Memory, steps and time: what a script may use, and how it ends when it used that.

#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

// Every block starts with the number of its making, by which objects are ordered: addresses differ from run to run.
typedef struct {
    uint64_t serial;
    uint64_t unused;
} block_header;

static void note_refusal(flua_state *s) {
    s->refused = true;
    flua_clear_frame(&s->refused_at);
    if (s->current == NULL) {
        return;
    }
    // Reads the call stack and nothing else, so it may run inside the allocator.
    lua_Debug ar;
    for (int level = 0; level < 64 && lua_getstack(s->current, level, &ar); level++) {
        if (lua_getinfo(s->current, "Sl", &ar) && ar.currentline > 0) {
            s->refused_at.kind = *ar.what == 'm' ? FLUA_FRAME_MAIN : FLUA_FRAME_SCRIPT;
            flua_place(&s->refused_at, ar.source, ar.short_src, ar.currentline);
            return;
        }
    }
}

static bool may_grow(flua_state *s, size_t more) {
    s->allocations++;
    if (s->fault > 0 && s->allocations >= s->fault
        && (s->fault_count < 0 || s->allocations < s->fault + s->fault_count)) {
        return false;
    }
    return s->limits.memory == 0 || (s->bytes <= s->limits.memory && more <= s->limits.memory - s->bytes);
}

void *flua_allocate(void *state, void *block, size_t old, size_t new) {
    flua_state *s = state;
    block_header *header = block == NULL ? NULL : (block_header *)block - 1;
    if (new == 0) {
        if (header != NULL) {
            s->bytes -= old + sizeof(block_header);
            free(header);
        }
        return NULL;
    }
    if (new > SIZE_MAX / 2) {
        note_refusal(s);
        return NULL;
    }
    // Without a block, `old` is the kind of the new object.
    size_t before = header == NULL ? 0 : old + sizeof(block_header);
    size_t after = new + sizeof(block_header);
    if (after > before && !may_grow(s, after - before)) {
        note_refusal(s);
        return NULL;
    }
    block_header *made = realloc(header, after);
    if (made == NULL) {
        if (after <= before) {
            return block;  // Lua relies on shrinking to succeed.
        }
        note_refusal(s);
        return NULL;
    }
    if (header == NULL) {
        bool identity = old == LUA_TTABLE || old == LUA_TFUNCTION || old == LUA_TTHREAD || old == LUA_TUSERDATA;
        made->serial = identity ? ++s->serial : 0;
    }
    s->bytes += after - before;
    if (s->bytes > s->peak) {
        s->peak = s->bytes;
    }
    if (after > before) {
        s->steps += (int64_t)((after - before) >> 6);
    }
    return made + 1;
}

uint64_t flua_serial_of(lua_State *L, int index) {
    switch (lua_type(L, index)) {
    case LUA_TUSERDATA:
        return ((const flua_object *)lua_touserdata(L, index))->serial;
    case LUA_TTHREAD:
        // A thread lies behind its extra space in its block.
        return ((const block_header *)lua_getextraspace(lua_tothread(L, index)) - 1)->serial;
    case LUA_TFUNCTION:
        if (lua_iscfunction(L, index)) {
            // A C function without upvalues is no object: it has no block.
            if (lua_getupvalue(L, index, 1) == NULL) {
                return 0;
            }
            lua_pop(L, 1);
        }
        return ((const block_header *)lua_topointer(L, index) - 1)->serial;
    case LUA_TTABLE:
        return ((const block_header *)lua_topointer(L, index) - 1)->serial;
    default:
        return 0;
    }
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void flua_clock_on(flua_state *s) {
    s->since = now();
}

void flua_clock_off(flua_state *s) {
    s->elapsed += now() - s->since;
}

static int limit_passed(flua_state *s) {
    if (s->tripped != FLUA_NONE) {
        return s->tripped;
    }
    if (s->host.interrupted(s->host.owner)) {
        return FLUA_CANCELLED;
    }
    if (s->limits.steps > 0 && s->steps > s->limits.steps) {
        return FLUA_STEPS;
    }
    if (s->limits.nanoseconds > 0 && s->elapsed + (now() - s->since) > s->limits.nanoseconds) {
        return FLUA_TIME;
    }
    return FLUA_NONE;
}

static void count(lua_State *L, lua_Debug *ar) {
    (void)ar;
    flua_state *s = flua_of(L);
    if (lua_gethookcount(L) == FLUA_PERIOD) {
        s->steps += FLUA_PERIOD;
    } else {
        s->steps += 1;
        lua_sethook(L, count, LUA_MASKCOUNT, FLUA_PERIOD);
    }
    int reason = limit_passed(s);
    if (reason != FLUA_NONE) {
        flua_trip(L, reason);
    }
    lua_Debug deepest;
    if (++s->counts % FLUA_NESTING_PERIOD == 0 && lua_getstack(L, FLUA_NESTING, &deepest)) {
        luaL_where(L, 0);
        lua_pushfstring(L, "%sstack overflow: more than %d nested calls", lua_tostring(L, -1), FLUA_NESTING);
        lua_error(L);
    }
}

void flua_arm(lua_State *L) {
    lua_sethook(L, count, LUA_MASKCOUNT, FLUA_PERIOD);
}

void flua_begin(flua_state *s) {
    s->steps = 0;
    s->counts = 0;
    s->elapsed = 0;
    s->tripped = FLUA_NONE;
    s->refused = false;
    flua_arm(s->main);
}

void flua_charge(lua_State *L, int64_t steps) {
    flua_state *s = flua_of(L);
    s->steps += steps;
    int reason = limit_passed(s);
    if (reason != FLUA_NONE) {
        flua_trip(L, reason);
    }
}

int flua_trip(lua_State *L, int reason) {
    flua_state *s = flua_of(L);
    if (s->tripped == FLUA_NONE) {
        s->tripped = reason;
        flua_capture(s, L, 0);
    }
    // Whatever runs next in this thread, a handler or the code after a pcall, ends at its first instruction.
    lua_sethook(L, count, LUA_MASKCOUNT, 1);
    lua_pushlightuserdata(L, s);
    return lua_error(L);
}

void flua_pass_limits(lua_State *L, int status) {
    flua_state *s = flua_of(L);
    if (s->tripped != FLUA_NONE) {
        flua_trip(L, s->tripped);
    }
    // A script can raise the message of a memory error itself; only a refused allocation makes it one.
    if (status == LUA_ERRMEM && s->refused) {
        flua_trip(L, FLUA_MEMORY);
    }
}
