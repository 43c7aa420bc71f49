// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The functions of `string` that could run for long, and the one that could show an address.

#include "state.h"

#include <string.h>

static int rep(lua_State *L) {
    size_t length, between;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer times = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &between);
    size_t unit = length + between;
    if (times <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit < length || (lua_Unsigned)unit > (lua_Unsigned)LUA_MAXINTEGER / (lua_Unsigned)times) {
        return luaL_error(L, "resulting string too large");
    }
    size_t total = unit * (size_t)times - between;
    luaL_Buffer result;
    char *bytes = luaL_buffinitsize(L, &result, total);
    memcpy(bytes, text, length);
    if (times > 1) {
        memcpy(bytes + length, separator, between);
        // Doubles what is there.
        for (size_t filled = unit; filled < total;) {
            size_t more = filled < total - filled ? filled : total - filled;
            memcpy(bytes + filled, bytes, more);
            filled += more;
        }
    }
    luaL_pushresultsize(&result, total);
    return 1;
}

// Upvalue: the standard function, which is given text for what it would show as an address.
static int format(lua_State *L) {
    size_t length;
    const char *p = luaL_checklstring(L, 1, &length);
    const char *end = p + length;
    int top = lua_gettop(L);
    int argument = 1;
    while (p < end && (p = memchr(p, '%', (size_t)(end - p))) != NULL) {
        p++;
        if (*p == '%') {
            p++;
            continue;
        }
        p += strspn(p, "-+ #0123456789.");
        argument++;
        if (*p == 'p') {
            return luaL_error(L, "'%%p' is not available: an address differs from run to run");
        }
        if (*p == 's' && argument <= top) {
            flua_tolstring(L, argument, NULL);
            lua_replace(L, argument);
        }
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void flua_open_strings(lua_State *L) {
    static const luaL_Reg replaced[] = {
        {"rep", rep},
        {"find", flua_str_find},
        {"match", flua_str_match},
        {"gmatch", flua_str_gmatch},
        {"gsub", flua_str_gsub},
        {NULL, NULL},
    };
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_setfuncs(L, replaced, 0);
    lua_getfield(L, -1, "format");
    lua_pushcclosure(L, format, 1);
    lua_setfield(L, -2, "format");
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pop(L, 1);
}
