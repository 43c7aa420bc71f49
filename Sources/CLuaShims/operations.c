// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The operations of the host: each is a small C function that Lua may leave by longjmp, called under lua_pcall.

#include "operations.h"

#include <stdlib.h>
#include <string.h>

const char flua_object_metatable;
static const char anchors;

static int call_body(lua_State *L);

int flua_run_protected(flua_state *s, lua_CFunction body, operation *op, int index, int results) {
    lua_State *L = s->current;
    if (s->finalizing > 0) {
        flua_clear_failure(s);
        return s->failure.reason = FLUA_FINALIZING;
    }
    bool outermost = s->depth == 0;
    if (outermost) {
        flua_begin(s);
    } else if (s->tripped != FLUA_NONE) {
        return s->failure.reason = s->tripped;
    }
    flua_clear_failure(s);
    int base = lua_gettop(L);
    int status = LUA_ERRMEM;
    s->depth++;
    flua_clock_on(s);
    if (lua_checkstack(L, LUA_MINSTACK)) {
        lua_pushcfunction(L, flua_on_error);
        lua_pushcfunction(L, body);
        lua_pushlightuserdata(L, op);
        if (index != 0) {
            lua_pushvalue(L, index);
        }
        status = lua_pcall(L, index != 0 ? 2 : 1, results, base + 1);
        lua_remove(L, base + 1);
    } else {
        s->refused = true;
    }
    flua_clock_off(s);
    s->depth--;
    if (outermost && body == call_body) {
        s->call_steps = s->steps;
    }
    if (status == LUA_OK && s->tripped == FLUA_NONE) {
        return FLUA_NONE;
    }
    flua_note_failure(s, L, status);
    lua_settop(L, base);
    return s->failure.reason;
}

// Opening and closing.

// Messages that Lua makes where an allocation could not be protected: as long as they exist, it only finds them.
static const char *const ready_made[] = {
    "error in error handling",
    "C stack overflow",
    "cannot resume dead coroutine",
    "cannot resume non-suspended coroutine",
};

static int open_libraries(lua_State *L) {
    lua_createtable(L, 4, 0);
    for (size_t i = 0; i < sizeof ready_made / sizeof *ready_made; i++) {
        lua_pushstring(L, ready_made[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &anchors);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, flua_collect_object);
    lua_setfield(L, -2, "__gc");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &flua_object_metatable);
    flua_open_base(L);
    flua_open_strings(L);
    flua_open_tables(L);
    flua_open_coroutines(L);
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    return 0;
}

flua_state *flua_open(const flua_host *host, const flua_limits *limits, int64_t seed, int64_t fault,
                      int64_t fault_count) {
    flua_state *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->host = *host;
    s->limits = *limits;
    s->seed = seed;
    s->fault = fault;
    s->fault_count = fault_count;
    s->main = lua_newstate(flua_allocate, s);
    if (s->main == NULL) {
        flua_clear_frame(&s->refused_at);
        free(s);
        return NULL;
    }
    s->current = s->main;
    operation op = {0};
    if (flua_run_protected(s, open_libraries, &op, 0, 0) != FLUA_NONE) {
        flua_close(s);
        return NULL;
    }
    return s;
}

size_t flua_close(flua_state *s) {
    lua_sethook(s->main, NULL, 0, 0);
    lua_close(s->main);
    size_t left = s->bytes;
    flua_clear_failure(s);
    flua_clear_frame(&s->refused_at);
    free(s);
    return left;
}

int flua_busy(const flua_state *s) {
    return s->depth > 0 || s->finalizing > 0;
}

size_t flua_bytes(const flua_state *s) {
    return s->bytes;
}

size_t flua_peak(const flua_state *s) {
    return s->peak;
}

int64_t flua_allocations(const flua_state *s) {
    return s->allocations;
}

int64_t flua_steps(const flua_state *s) {
    return s->call_steps;
}

lua_State *flua_current(const flua_state *s) {
    return s->current;
}

static int globals_body(lua_State *L) {
    lua_pushglobaltable(L);
    operation_of(L)->reference = keep_top(L);
    return 0;
}

int flua_globals(flua_state *s, int *reference) {
    operation op = {0};
    int reason = flua_run_protected(s, globals_body, &op, 0, 0);
    *reference = op.reference;
    return reason;
}

// Chunks and calls.

// A syntax error's position is in its text alone: "name:line: message", the name shortened as Lua does.
static void place_syntax_error(lua_State *L, operation *op) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    lua_Debug ar;
    if (luaL_loadbufferx(L, "", 0, op->name, "t") != LUA_OK || !lua_getinfo(L, ">S", &ar)) {
        return;
    }
    size_t name = strlen(ar.short_src);
    if (length > name && strncmp(text, ar.short_src, name) == 0 && text[name] == ':') {
        long line = strtol(text + name + 1, NULL, 10);
        op->place.kind = FLUA_FRAME_MAIN;
        flua_place(&op->place, op->name, ar.short_src, line > 0 && line < INT32_MAX ? (int)line : 0);
    }
}

static int load_body(lua_State *L) {
    operation *op = operation_of(L);
    int status = luaL_loadbufferx(L, op->source, op->length, op->name, "t");
    if (status == LUA_ERRSYNTAX) {
        op->taken = 1;
        place_syntax_error(L, op);
        lua_settop(L, 2);
    }
    if (status != LUA_OK) {
        return lua_error(L);
    }
    op->reference = keep_top(L);
    return 0;
}

int flua_load(flua_state *s, const char *source, size_t length, const char *name, int *reference) {
    operation op = {.source = source, .length = length, .name = name};
    int reason = flua_run_protected(s, load_body, &op, 0, 0);
    *reference = op.reference;
    if (reason == FLUA_RUNTIME && op.taken) {
        reason = s->failure.reason = FLUA_SYNTAX;
        flua_add_innermost(s, &op.place);
    }
    flua_clear_frame(&op.place);
    return reason;
}

static int call_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    flua_push_values(L, op->values);
    lua_call(L, op->values->count, LUA_MULTRET);
    return lua_gettop(L) - 1;
}

int flua_call(flua_state *s, int function, const flua_values *arguments) {
    operation op = {.subject = function, .values = arguments};
    return flua_run_protected(s, call_body, &op, 0, LUA_MULTRET);
}

static int push_body(lua_State *L) {
    operation *op = operation_of(L);
    flua_push_values(L, op->values);
    return op->values->count;
}

int flua_push(flua_state *s, const flua_values *values) {
    operation op = {.values = values};
    return flua_run_protected(s, push_body, &op, 0, values->count);
}

static int keep_body(lua_State *L) {
    operation_of(L)->reference = keep_top(L);
    return 0;
}

int flua_keep(flua_state *s, int index, int *reference) {
    operation op = {0};
    int reason = flua_run_protected(s, keep_body, &op, index, 0);
    *reference = op.reference;
    return reason;
}

void flua_forget(flua_state *s, int reference) {
    // Writes to keys that exist, so nothing is allocated. The stack has room: every operation left some.
    if (lua_checkstack(s->current, 4)) {
        luaL_unref(s->current, LUA_REGISTRYINDEX, reference);
    }
}

size_t flua_identity(flua_state *s, int reference) {
    lua_State *L = s->current;
    if (!lua_checkstack(L, 4)) {
        return 0;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
    size_t identity = (size_t)lua_topointer(L, -1);
    lua_settop(L, -2);
    return identity;
}

static int to_string_body(lua_State *L) {
    flua_push_values(L, operation_of(L)->values);
    flua_tolstring(L, -1, NULL);
    return 1;
}

int flua_to_string(flua_state *s, const flua_values *value) {
    operation op = {.values = value};
    return flua_run_protected(s, to_string_body, &op, 0, 1);
}

static int collect_body(lua_State *L) {
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

int flua_collect(flua_state *s) {
    operation op = {0};
    return flua_run_protected(s, collect_body, &op, 0, 0);
}
