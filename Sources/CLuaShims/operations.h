// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// One operation of the host on its way into Lua: shared by the files that hold the operations.

#pragma once

#include "state.h"

typedef struct {
    const char *source, *name;
    size_t length;
    void *object;
    const flua_values *values;
    int subject, other, third, raw;
    int64_t number;
    int reference;
    int taken;
    flua_frame place;
} operation;

// Runs `body` with the operation and, when `index` is not 0, the value at that index. Results stay on the stack.
// Returns FLUA_NONE or the reason why it failed.
int flua_run_protected(flua_state *s, lua_CFunction body, operation *op, int index, int results);

// The registry's key of the metatable of host functions.
extern const char flua_object_metatable;

// These run inside.

static inline operation *operation_of(lua_State *L) {
    return lua_touserdata(L, 1);
}

static inline void push_reference(lua_State *L, int reference) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
}

static inline int keep_top(lua_State *L) {
    return luaL_ref(L, LUA_REGISTRYINDEX);
}
