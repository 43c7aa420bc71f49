// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// string.find, match, gmatch and gsub.

#define _GNU_SOURCE
#include "patterns.h"

#include <ctype.h>
#include <string.h>

static void push_capture(matcher *m, int index, const char *s, const char *end) {
    if (index >= m->level) {
        if (index != 0) {
            luaL_error(m->L, "invalid capture index %%%d", index + 1);
        }
        lua_pushlstring(m->L, s, (size_t)(end - s));
        return;
    }
    ptrdiff_t length = m->captures[index].length;
    if (length == OPEN) {
        luaL_error(m->L, "unfinished capture");
    }
    if (length == POSITION) {
        lua_pushinteger(m->L, m->captures[index].start - m->subject + 1);
    } else {
        lua_pushlstring(m->L, m->captures[index].start, (size_t)length);
    }
}

// Pushes all captures, or the whole match when there are none and `whole` says so.
static int push_captures(matcher *m, const char *s, const char *end, bool whole) {
    int count = m->level == 0 && whole ? 1 : m->level;
    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++) {
        push_capture(m, i, s, end);
    }
    return count;
}

// An argument that counts from 1, or back from the end, as an offset; beyond the end is length + 1.
static size_t start_offset(lua_State *L, int index, size_t length) {
    lua_Integer position = luaL_optinteger(L, index, 1);
    if (position > 0) {
        return (lua_Unsigned)position - 1 > length ? length + 1 : (size_t)position - 1;
    }
    if (position == 0 || position < -(lua_Integer)length) {
        return 0;
    }
    return length + (size_t)position;
}

static int find_or_match(lua_State *L, bool find) {
    size_t length, pattern_length;
    const char *s = luaL_checklstring(L, 1, &length);
    const char *p = luaL_checklstring(L, 2, &pattern_length);
    size_t offset = start_offset(L, 3, length);
    if (offset > length) {
        lua_pushnil(L);
        return 1;
    }
    bool plain = lua_toboolean(L, 4);
    if (!plain) {
        plain = true;
        for (size_t i = 0; plain && i < pattern_length; i++) {
            plain = memchr("^$*+?.([%-", p[i], 10) == NULL;
        }
    }
    if (find && plain) {
        flua_charge(L, (int64_t)((length - offset) >> 4));
        const char *found = memmem(s + offset, length - offset, p, pattern_length);
        if (found == NULL) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, found - s + 1);
        lua_pushinteger(L, found - s + (lua_Integer)pattern_length);
        return 2;
    }
    matcher m;
    flua_prepare(&m, L, s, length, p, pattern_length);
    bool anchored = *p == '^' && pattern_length > 0;
    p += anchored;
    for (const char *at = s + offset; at <= m.subject_end; at++) {
        const char *end = flua_start_match(&m, at, p);
        if (end != NULL) {
            if (!find) {
                return push_captures(&m, at, end, true);
            }
            lua_pushinteger(L, at - s + 1);
            lua_pushinteger(L, end - s);
            return push_captures(&m, at, end, false) + 2;
        }
        if (anchored) {
            break;
        }
    }
    lua_pushnil(L);
    return 1;
}

int flua_str_find(lua_State *L) {
    return find_or_match(L, true);
}

int flua_str_match(lua_State *L) {
    return find_or_match(L, false);
}

// Upvalues: the subject, the pattern, the offset to go on from, the offset where the last match ended (-1: none).
static int next_match(lua_State *L) {
    size_t length, pattern_length;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &length);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &pattern_length);
    lua_Integer offset = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    matcher m;
    flua_prepare(&m, L, s, length, p, pattern_length);
    for (; offset <= (lua_Integer)length; offset++) {
        const char *end = flua_start_match(&m, s + offset, p);
        if (end != NULL && end - s != last) {
            lua_pushinteger(L, end - s);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&m, s + offset, end, true);
        }
    }
    return 0;
}

int flua_str_gmatch(lua_State *L) {
    size_t length;
    luaL_checklstring(L, 1, &length);
    luaL_checkstring(L, 2);
    size_t offset = start_offset(L, 3, length);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)offset);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

static void add_replacement_text(matcher *m, luaL_Buffer *result, const char *s, const char *end) {
    lua_State *L = m->L;
    size_t length;
    const char *text = lua_tolstring(L, 3, &length);
    const char *stop = text + length;
    for (const char *p; (p = memchr(text, '%', (size_t)(stop - text))) != NULL; text = p + 1) {
        luaL_addlstring(result, text, (size_t)(p - text));
        p++;
        if (*p == '%') {
            luaL_addchar(result, '%');
        } else if (*p == '0') {
            luaL_addlstring(result, s, (size_t)(end - s));
        } else if (isdigit((unsigned char)*p)) {
            push_capture(m, *p - '1', s, end);
            luaL_addvalue(result);
        } else {
            luaL_error(L, "invalid use of '%c' in replacement string", '%');
        }
    }
    luaL_addlstring(result, text, (size_t)(stop - text));
}

// Adds what replaces the match; whether that is something else than the match itself.
static bool add_replacement(matcher *m, luaL_Buffer *result, const char *s, const char *end, int type) {
    lua_State *L = m->L;
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end, true), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
    } else {
        add_replacement_text(m, result, s, end);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(result, s, (size_t)(end - s));
        return false;
    }
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(result);
    return true;
}

int flua_str_gsub(lua_State *L) {
    size_t length, pattern_length;
    const char *s = luaL_checklstring(L, 1, &length);
    const char *p = luaL_checklstring(L, 2, &pattern_length);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                     "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1);
    matcher m;
    flua_prepare(&m, L, s, length, p, pattern_length);
    bool anchored = pattern_length > 0 && *p == '^';
    p += anchored;
    if (type == LUA_TNUMBER) {
        lua_tolstring(L, 3, NULL);
    }
    luaL_Buffer result;
    luaL_buffinit(L, &result);
    const char *last = NULL;
    lua_Integer count = 0;
    bool changed = false;
    while (count < most) {
        const char *end = flua_start_match(&m, s, p);
        if (end != NULL && end != last) {
            count++;
            changed = add_replacement(&m, &result, s, end, type) || changed;
            s = last = end;
        } else if (s < m.subject_end) {
            luaL_addchar(&result, *s++);
        } else {
            break;
        }
        if (anchored) {
            break;
        }
    }
    if (changed) {
        luaL_addlstring(&result, s, (size_t)(m.subject_end - s));
        luaL_pushresult(&result);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, count);
    return 2;
}
