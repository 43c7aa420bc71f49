// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Coroutines that share their state's limits and show up in tracebacks.

#include "state.h"

// Lua gives a new thread its maker's hook, with a count of its own.
static lua_State *make(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    // Paid in advance: what a thread does before its first count would be free otherwise.
    flua_charge(L, FLUA_PERIOD);
    lua_State *made = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, made, 1);
    return made;
}

static int create(lua_State *L) {
    make(L);
    return 1;
}

static const char *not_resumable(lua_State *thread) {
    lua_Debug ar;
    switch (lua_status(thread)) {
    case LUA_YIELD:
        return NULL;
    case LUA_OK:
        if (lua_getstack(thread, 0, &ar)) {
            return "cannot resume non-suspended coroutine";
        }
        return lua_gettop(thread) == 0 ? "cannot resume dead coroutine" : NULL;
    default:
        return "cannot resume dead coroutine";
    }
}

// Moves `count` values over and runs the thread. Returns the number of results, or -1 with the error on top of `L`.
static int resume(lua_State *L, lua_State *thread, int count) {
    flua_state *s = flua_of(L);
    flua_charge(L, 10);
    const char *refusal = thread == L ? "cannot resume non-suspended coroutine" : not_resumable(thread);
    if (refusal == NULL && !lua_checkstack(thread, count + LUA_MINSTACK)) {
        refusal = "too many arguments to resume";
    }
    if (refusal != NULL) {
        lua_pushstring(L, refusal);
        return -1;
    }
    lua_xmove(L, thread, count);
    flua_resumer link = {.thread = L, .previous = s->resumers};
    lua_State *caller = s->current;
    s->resumers = &link;
    s->current = thread;
    int results = 0;
    int status = lua_resume(thread, L, count, &results);
    s->resumers = link.previous;
    s->current = caller;
    if (status == LUA_OK || status == LUA_YIELD) {
        if (!lua_checkstack(L, results + LUA_MINSTACK)) {
            lua_settop(thread, -results - 1);
            lua_pushliteral(L, "too many results to resume");
            return -1;
        }
        lua_xmove(thread, L, results);
        return results;
    }
    flua_pass_limits(L, status);
    lua_xmove(thread, L, 1);
    return -1;
}

static lua_State *thread_argument(lua_State *L) {
    lua_State *thread = lua_tothread(L, 1);
    luaL_argexpected(L, thread != NULL, 1, "coroutine");
    return thread;
}

static int resume_protected(lua_State *L) {
    lua_State *thread = thread_argument(L);
    int results = resume(L, thread, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    lua_insert(L, -(results < 0 ? 1 : results) - 1);
    return (results < 0 ? 1 : results) + 1;
}

// Closing a coroutine runs its __close handlers on a C stack that Lua does not count across coroutines.
static int reset(lua_State *L, lua_State *thread) {
    flua_state *s = flua_of(L);
    flua_charge(L, FLUA_PERIOD);
    if (s->resets >= FLUA_RESETS) {
        return luaL_error(L, "too many nested closes of coroutines");
    }
    lua_State *caller = s->current;
    s->resets++;
    s->current = thread;
    int status = lua_resetthread(thread);
    s->current = caller;
    s->resets--;
    flua_pass_limits(L, status);
    return status;
}

static int resume_wrapped(lua_State *L) {
    lua_State *thread = lua_tothread(L, lua_upvalueindex(1));
    int results = resume(L, thread, lua_gettop(L));
    if (results >= 0) {
        return results;
    }
    int status = lua_status(thread);
    if (status != LUA_OK && status != LUA_YIELD) {
        // Closes the variables that the failed coroutine left open; an error in doing so replaces the first.
        status = reset(L, thread);
        if (status != LUA_OK) {
            lua_xmove(thread, L, 1);
        }
    }
    return lua_error(L);
}

static int wrap(lua_State *L) {
    make(L);
    lua_pushcclosure(L, resume_wrapped, 1);
    return 1;
}

static int close(lua_State *L) {
    lua_State *thread = thread_argument(L);
    lua_Debug ar;
    bool running = thread == L || (lua_status(thread) == LUA_OK && lua_getstack(thread, 0, &ar));
    if (running) {
        return luaL_error(L, "cannot close a running coroutine");
    }
    int status = reset(L, thread);
    if (status == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(thread, L, 1);
    return 2;
}

void flua_open_coroutines(lua_State *L) {
    static const luaL_Reg replaced[] = {
        {"create", create}, {"resume", resume_protected}, {"wrap", wrap}, {"close", close}, {NULL, NULL},
    };
    luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 1);
    luaL_setfuncs(L, replaced, 0);
    lua_pop(L, 1);
}
