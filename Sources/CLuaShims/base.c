// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The base library: the standard one, without files and with what would get past a limit or vary replaced.

#include "state.h"

#include <stdio.h>
#include <string.h>

// Like luaL_tolstring, but an object shows the number of its making, not its address.
const char *flua_tolstring(lua_State *L, int index, size_t *length) {
    index = lua_absindex(L, index);
    int top = lua_gettop(L);
    int type = lua_type(L, index);
    bool object = type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TTHREAD;
    if (!object || luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_settop(L, top);
        return luaL_tolstring(L, index, length);
    }
    if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING) {
        lua_settop(L, top);
        lua_pushstring(L, luaL_typename(L, index));
    }
    uint64_t serial = flua_serial_of(L, index);
    if (serial == 0) {
        lua_pushfstring(L, "%s: builtin", lua_tostring(L, -1));
    } else {
        char digits[32];
        snprintf(digits, sizeof digits, "0x%08llx", (unsigned long long)serial);
        lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), digits);
    }
    lua_replace(L, top + 1);
    return lua_tolstring(L, -1, length);
}

static int to_string(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    flua_tolstring(L, 1, NULL);
    return 1;
}

static int hand_to_printer(lua_State *L, const char *prefix, bool separate) {
    int count = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    luaL_addstring(&line, prefix);
    for (int i = 1; i <= count; i++) {
        if (i > 1 && separate) {
            luaL_addchar(&line, '\t');
        }
        flua_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    if (lua_getfield(L, LUA_REGISTRYINDEX, "fermata.printer") == LUA_TFUNCTION) {
        lua_insert(L, -2);
        lua_call(L, 1, 0);
    }
    return 0;
}

static int print(lua_State *L) {
    return hand_to_printer(L, "", true);
}

static int warn(lua_State *L) {
    luaL_checkstring(L, 1);
    for (int i = 2; i <= lua_gettop(L); i++) {
        luaL_checkstring(L, i);
    }
    if (lua_gettop(L) == 1 && *lua_tostring(L, 1) == '@') {
        return 0;
    }
    return hand_to_printer(L, "warning: ", false);
}

static int set_metatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        // No limit holds inside a finalizer: Lua runs it with hooks off. Lua looks for __gc only here.
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL) {
            return luaL_error(L, "finalizers (__gc) are not available to scripts; use a local with <close>");
        }
        lua_settop(L, 2);
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int collect_garbage(lua_State *L) {
    const char *option = luaL_optstring(L, 1, "collect");
    flua_state *s = flua_of(L);
    if (strcmp(option, "count") == 0) {
        lua_pushnumber(L, (lua_Number)s->bytes / 1024);
        return 1;
    }
    if (strcmp(option, "collect") == 0) {
        flua_charge(L, (int64_t)(s->bytes >> 6));
        lua_gc(L, LUA_GCCOLLECT);
        lua_pushinteger(L, 0);
        return 1;
    }
    return luaL_argerror(L, 1, lua_pushfstring(L, "'%s' is not available, only 'collect' and 'count'", option));
}

static int finish_pcall(lua_State *L, int status, lua_KContext before) {
    if (status == LUA_OK || status == LUA_YIELD) {
        return lua_gettop(L) - (int)before;
    }
    flua_pass_limits(L, status);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

static int protected_call(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

// The script's own message handler never sees a limit.
static int guarded_handler(lua_State *L) {
    if (flua_of(L)->tripped != FLUA_NONE) {
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int protected_call_with_handler(lua_State *L) {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    int arguments = lua_gettop(L) - 2;
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, guarded_handler, 1);
    lua_replace(L, 2);
    // handler, true, function, arguments
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    lua_pushvalue(L, 2);
    lua_replace(L, 1);
    lua_remove(L, 2);
    int status = lua_pcallk(L, arguments, LUA_MULTRET, 1, 1, finish_pcall);
    return finish_pcall(L, status, 1);
}

// Collects the pieces of a chunk at stack index 5.
static void gather_chunk(lua_State *L) {
    luaL_Buffer chunk;
    luaL_buffinit(L, &chunk);
    for (;;) {
        flua_charge(L, 10);
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            break;
        }
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "reader function must return a string");
        }
        if (lua_rawlen(L, -1) == 0) {
            lua_pop(L, 1);
            break;
        }
        luaL_addvalue(&chunk);
    }
    luaL_pushresult(&chunk);
}

static int load(lua_State *L) {
    bool environment = lua_gettop(L) >= 4;
    bool piecewise = lua_type(L, 1) != LUA_TSTRING;
    if (piecewise) {
        luaL_checktype(L, 1, LUA_TFUNCTION);
    }
    lua_settop(L, 4);
    const char *mode = luaL_optstring(L, 3, "t");
    const char *name = luaL_optstring(L, 2, piecewise ? "=(load)" : lua_tostring(L, 1));
    if (piecewise) {
        gather_chunk(L);
    } else {
        lua_pushvalue(L, 1);
    }
    if (strchr(mode, 't') == NULL) {
        lua_pushnil(L);
        lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
        return 2;
    }
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    flua_charge(L, (int64_t)(length >> 2));
    int status = luaL_loadbufferx(L, text, length, name, "t");
    if (status != LUA_OK) {
        flua_pass_limits(L, status);
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (environment) {
        lua_pushvalue(L, 4);
        if (lua_setupvalue(L, -2, 1) == NULL) {
            lua_pop(L, 1);
        }
    }
    return 1;
}

static int seed_random(lua_State *L) {
    if (lua_isnone(L, 1)) {
        // The standard one would seed from the clock here.
        lua_pushinteger(L, flua_of(L)->seed);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void open_math(lua_State *L) {
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
    lua_getfield(L, -1, "randomseed");
    lua_pushcclosure(L, seed_random, 1);
    lua_pushvalue(L, -1);
    lua_call(L, 0, 0);
    lua_setfield(L, -2, "randomseed");
    lua_pop(L, 1);
}

void flua_open_base(lua_State *L) {
    static const luaL_Reg replaced[] = {
        {"tostring", to_string},
        {"print", print},
        {"warn", warn},
        {"setmetatable", set_metatable},
        {"collectgarbage", collect_garbage},
        {"pcall", protected_call},
        {"xpcall", protected_call_with_handler},
        {"load", load},
        {"pairs", flua_pairs},
        {NULL, NULL},
    };
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    luaL_setfuncs(L, replaced, 0);
    lua_createtable(L, 2, 0);
    lua_pushcclosure(L, flua_next, 1);
    lua_setfield(L, -2, "next");
    lua_pushnil(L);
    lua_setfield(L, -2, "dofile");
    lua_pushnil(L);
    lua_setfield(L, -2, "loadfile");
    lua_pop(L, 1);
    open_math(L);
}
