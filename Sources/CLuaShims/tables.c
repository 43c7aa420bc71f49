// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The functions of `table` that loop as long as their arguments say: here each round counts.
//
// `sort` is stable, so that equal elements come out the same in every run; the standard one may pick its pivots by the
// clock.

#include "state.h"

enum { READS = 1, WRITES = 2, MEASURES = 4 };

static void check_list(lua_State *L, int index, int uses) {
    if (lua_type(L, index) == LUA_TTABLE) {
        return;
    }
    static const struct {
        int use;
        const char *field;
    } needed[] = {{READS, "__index"}, {WRITES, "__newindex"}, {MEASURES, "__len"}};
    for (int i = 0; i < 3; i++) {
        if ((uses & needed[i].use) && luaL_getmetafield(L, index, needed[i].field) == LUA_TNIL) {
            luaL_checktype(L, index, LUA_TTABLE);
        }
    }
}

static lua_Integer length_of(lua_State *L, int index, int uses) {
    int top = lua_gettop(L);
    check_list(L, index, uses | MEASURES);
    lua_settop(L, top);
    return luaL_len(L, index);
}

static int insert(lua_State *L) {
    lua_Integer end = (lua_Integer)((lua_Unsigned)length_of(L, 1, READS | WRITES) + 1);
    lua_Integer position = end;
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3: {
        position = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)position - 1 < (lua_Unsigned)end, 2, "position out of bounds");
        int64_t rounds = 0;
        for (lua_Integer i = end; i > position; i--) {
            flua_round(L, &rounds);
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
        }
        break;
    }
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, position);
    return 0;
}

static int remove_element(lua_State *L) {
    lua_Integer size = length_of(L, 1, READS | WRITES);
    lua_Integer position = luaL_optinteger(L, 2, size);
    if (position != size) {
        luaL_argcheck(L, (lua_Unsigned)position - 1 <= (lua_Unsigned)size, 2, "position out of bounds");
    }
    lua_geti(L, 1, position);
    int64_t rounds = 0;
    for (; position < size; position++) {
        flua_round(L, &rounds);
        lua_geti(L, 1, position + 1);
        lua_seti(L, 1, position);
    }
    lua_pushnil(L);
    lua_seti(L, 1, position);
    return 1;
}

static int move(lua_State *L) {
    lua_Integer first = luaL_checkinteger(L, 2);
    lua_Integer last = luaL_checkinteger(L, 3);
    lua_Integer target = luaL_checkinteger(L, 4);
    int destination = lua_isnoneornil(L, 5) ? 1 : 5;
    int top = lua_gettop(L);
    check_list(L, 1, READS);
    check_list(L, destination, WRITES);
    lua_settop(L, top);
    if (last >= first) {
        luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
        lua_Integer count = last - first + 1;
        luaL_argcheck(L, target <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
        bool same = destination == 1 || lua_compare(L, 1, destination, LUA_OPEQ);
        // Overlapping towards higher indices: the end goes first.
        bool backwards = same && target > first && target <= last;
        int64_t rounds = 0;
        for (lua_Integer i = 0; i < count; i++) {
            flua_round(L, &rounds);
            lua_Integer offset = backwards ? count - 1 - i : i;
            lua_geti(L, 1, first + offset);
            lua_seti(L, destination, target + offset);
        }
    }
    lua_pushvalue(L, destination);
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *text, lua_Integer i) {
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1), (LUAI_UACINT)i);
    }
    luaL_addvalue(text);
}

static int concat(lua_State *L) {
    lua_Integer size = length_of(L, 1, READS);
    size_t length;
    const char *separator = luaL_optlstring(L, 2, "", &length);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    lua_Integer last = luaL_optinteger(L, 4, size);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    int64_t rounds = 0;
    for (; i < last; i++) {
        flua_round(L, &rounds);
        add_element(L, &text, i);
        luaL_addlstring(&text, separator, length);
    }
    if (i == last) {
        add_element(L, &text, i);
    }
    luaL_pushresult(&text);
    return 1;
}

// sort: stack indices of the list, the order function, and the two halves of a merge's work.
enum { LIST = 1, ORDER = 2, FROM = 3, TO = 4 };

static bool less(lua_State *L, int a, int b) {
    if (lua_isnil(L, ORDER)) {
        return lua_compare(L, a, b, LUA_OPLT);
    }
    lua_pushvalue(L, ORDER);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_call(L, 2, 1);
    bool result = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return result;
}

static void merge(lua_State *L, lua_Integer low, lua_Integer middle, lua_Integer high, int64_t *rounds) {
    lua_Integer left = low, right = middle;
    for (lua_Integer out = low; out < high; out++) {
        flua_round(L, rounds);
        bool take_right;
        if (left == middle || right == high) {
            take_right = left == middle;
        } else {
            lua_rawgeti(L, FROM, left);
            lua_rawgeti(L, FROM, right);
            take_right = less(L, TO + 2, TO + 1);
            lua_settop(L, TO);
        }
        lua_rawgeti(L, FROM, take_right ? right++ : left++);
        lua_rawseti(L, TO, out);
    }
}

static int sort(lua_State *L) {
    lua_Integer size = length_of(L, 1, READS | WRITES);
    if (size < 2) {
        return 0;
    }
    luaL_argcheck(L, size < INT32_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, ORDER)) {
        luaL_checktype(L, ORDER, LUA_TFUNCTION);
    }
    lua_settop(L, ORDER);
    lua_createtable(L, (int)size, 0);
    lua_createtable(L, (int)size, 0);
    int64_t rounds = 0;
    for (lua_Integer i = 1; i <= size; i++) {
        flua_round(L, &rounds);
        lua_geti(L, LIST, i);
        lua_rawseti(L, FROM, i);
    }
    for (lua_Integer width = 1; width < size; width *= 2) {
        for (lua_Integer low = 1; low <= size; low += 2 * width) {
            lua_Integer middle = low + width > size + 1 ? size + 1 : low + width;
            lua_Integer high = low + 2 * width > size + 1 ? size + 1 : low + 2 * width;
            merge(L, low, middle, high, &rounds);
        }
        lua_pushvalue(L, FROM);
        lua_copy(L, TO, FROM);
        lua_replace(L, TO);
    }
    for (lua_Integer i = 1; i <= size; i++) {
        flua_round(L, &rounds);
        lua_rawgeti(L, FROM, i);
        lua_seti(L, LIST, i);
    }
    return 0;
}

void flua_open_tables(lua_State *L) {
    static const luaL_Reg replaced[] = {
        {"insert", insert}, {"remove", remove_element}, {"move", move},
        {"concat", concat}, {"sort", sort},             {NULL, NULL},
    };
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_setfuncs(L, replaced, 0);
    lua_pop(L, 1);
}
