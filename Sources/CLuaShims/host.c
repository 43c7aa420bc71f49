// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Host functions and host objects as Lua sees them.

#include "state.h"

#include <stdlib.h>

// The one place where a script enters the host. By the time lua_error runs, the host's frame is gone:
//
//     lua_pcall ─ luaV_execute ─ flua_call_host ─ host.call          the host runs
//     lua_pcall ─ luaV_execute ─ flua_call_host                      it returned FLUA_RAISE
//     lua_pcall ◄──────────────── lua_error                          jumps over C frames alone
int flua_call_host(lua_State *L) {
    flua_state *s = flua_of(L);
    const flua_object *function = lua_touserdata(L, lua_upvalueindex(1));
    flua_charge(L, 20);
    lua_State *caller = s->current;
    s->current = L;
    flua_clock_off(s);
    int results = s->host.call(s->host.owner, function->object, L, lua_gettop(L));
    flua_clock_on(s);
    s->current = caller;
    if (s->tripped != FLUA_NONE) {
        return flua_trip(L, s->tripped);
    }
    if (results < 0) {
        luaL_checkstack(L, 1, "no room for an error");
        if (lua_gettop(L) == 0) {
            lua_pushnil(L);
        }
        return lua_error(L);
    }
    return results;
}

int flua_collect_object(lua_State *L) {
    flua_object *userdata = lua_touserdata(L, 1);
    void *object = userdata->object;
    userdata->object = NULL;
    free(userdata->name);
    userdata->name = NULL;
    if (object != NULL) {
        flua_state *s = flua_of(L);
        s->finalizing++;
        s->host.release(object);
        s->finalizing--;
    }
    return 0;
}

static void push_value(lua_State *L, const flua_value *value, const char *bytes) {
    switch (value->kind) {
    case FLUA_BOOLEAN:
        lua_pushboolean(L, value->integer != 0);
        break;
    case FLUA_INTEGER:
        lua_pushinteger(L, value->integer);
        break;
    case FLUA_NUMBER:
        lua_pushnumber(L, value->number);
        break;
    case FLUA_STRING:
        lua_pushlstring(L, bytes + value->integer, value->length);
        break;
    case FLUA_TABLE:
    case FLUA_FUNCTION:
    case FLUA_USERDATA:
    case FLUA_THREAD:
        lua_rawgeti(L, LUA_REGISTRYINDEX, value->integer);
        break;
    default:
        lua_pushnil(L);
    }
}

void flua_push_values(lua_State *L, const flua_values *values) {
    luaL_checkstack(L, values->count + LUA_MINSTACK, "too many values");
    for (int i = 0; i < values->count; i++) {
        push_value(L, &values->values[i], values->bytes);
    }
}

void flua_read(lua_State *L, int index, flua_value *value) {
    *value = (flua_value){.kind = FLUA_UNKNOWN};
    switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TNONE:
        value->kind = FLUA_NIL;
        break;
    case LUA_TBOOLEAN:
        value->kind = FLUA_BOOLEAN;
        value->integer = lua_toboolean(L, index);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            value->kind = FLUA_INTEGER;
            value->integer = lua_tointegerx(L, index, NULL);
        } else {
            value->kind = FLUA_NUMBER;
            value->number = lua_tonumberx(L, index, NULL);
        }
        break;
    case LUA_TSTRING:
        value->kind = FLUA_STRING;
        value->bytes = lua_tolstring(L, index, &value->length);
        break;
    case LUA_TTABLE:
        value->kind = FLUA_TABLE;
        value->identity = lua_topointer(L, index);
        break;
    case LUA_TFUNCTION:
        value->kind = FLUA_FUNCTION;
        value->identity = lua_topointer(L, index);
        break;
    case LUA_TUSERDATA:
        value->kind = FLUA_USERDATA;
        value->identity = lua_topointer(L, index);
        value->object = ((const flua_object *)lua_touserdata(L, index))->object;
        break;
    case LUA_TTHREAD:
        value->kind = FLUA_THREAD;
        value->identity = lua_topointer(L, index);
        break;
    }
}

int flua_top(lua_State *L) {
    return lua_gettop(L);
}

void flua_set_top(lua_State *L, int top) {
    lua_settop(L, top);
}
