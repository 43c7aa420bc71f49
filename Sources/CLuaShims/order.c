// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// `pairs` and `next` in an order that is the same in every run.
//
// Lua's own order follows a hash seeded from addresses and the clock. Here keys come as numbers ascending, then strings
// by their bytes, then false and true, then objects in the order in which they were made.

#include "state.h"

#include <string.h>

enum { NUMBER, STRING, BOOLEAN, OBJECT, CODE };

typedef struct {
    int rank;
    bool integral;
    lua_Integer integer;  // also the boolean, the object's serial, the position of the key
    lua_Number number;
    const char *bytes;
    size_t length;
    lua_Integer position;
} sort_key;

static void read_key(lua_State *L, int index, sort_key *key) {
    *key = (sort_key){.rank = OBJECT};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        key->rank = NUMBER;
        key->integral = lua_isinteger(L, index);
        if (key->integral) {
            key->integer = lua_tointeger(L, index);
        } else {
            key->number = lua_tonumber(L, index);
        }
        break;
    case LUA_TSTRING:
        key->rank = STRING;
        key->bytes = lua_tolstring(L, index, &key->length);
        break;
    case LUA_TBOOLEAN:
        key->rank = BOOLEAN;
        key->integer = lua_toboolean(L, index);
        break;
    default:
        key->integer = (lua_Integer)flua_serial_of(L, index);
        if (key->integer == 0) {
            // A library function: within one library, code keeps its order wherever it is loaded.
            key->rank = CODE;
            key->integer = (lua_Integer)(intptr_t)lua_topointer(L, index);
        }
    }
}

static int compare_numbers(const sort_key *a, const sort_key *b) {
    if (a->integral && b->integral) {
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    }
    // A long double holds every integer and every number exactly.
    long double x = a->integral ? (long double)a->integer : (long double)a->number;
    long double y = b->integral ? (long double)b->integer : (long double)b->number;
    return x < y ? -1 : x > y;
}

static int compare(const sort_key *a, const sort_key *b) {
    if (a->rank != b->rank) {
        return a->rank - b->rank;
    }
    if (a->rank == NUMBER) {
        return compare_numbers(a, b);
    }
    if (a->rank != STRING) {
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    }
    int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
    if (order != 0) {
        return order;
    }
    return a->length < b->length ? -1 : a->length > b->length;
}

static void sift(sort_key *keys, size_t root, size_t end) {
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= end) {
            return;
        }
        if (child + 1 < end && compare(&keys[child], &keys[child + 1]) < 0) {
            child++;
        }
        if (compare(&keys[root], &keys[child]) >= 0) {
            return;
        }
        sort_key swapped = keys[root];
        keys[root] = keys[child];
        keys[child] = swapped;
        root = child;
    }
}

// In place: what the C library's sort would allocate is outside the script's budget.
static void sort(sort_key *keys, size_t count) {
    for (size_t root = count / 2; root-- > 0;) {
        sift(keys, root, count);
    }
    for (size_t end = count; end-- > 1;) {
        sort_key swapped = keys[0];
        keys[0] = keys[end];
        keys[end] = swapped;
        sift(keys, 0, end);
    }
}

// Pushes a list of the keys of the table at `table`, an absolute index.
void flua_push_sorted_keys(lua_State *L, int table) {
    luaL_checkstack(L, 8, "too many nested calls");
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        count++;
    }
    flua_charge(L, (int64_t)count);
    lua_createtable(L, count > INT32_MAX ? 0 : (int)count, 0);
    int list = lua_gettop(L);
    sort_key *keys = lua_newuserdatauv(L, (count + 1) * sizeof *keys, 0);
    size_t filled = 0;
    bool sorted = true;
    for (lua_pushnil(L); lua_next(L, table) != 0 && filled < count; filled++) {
        lua_pop(L, 1);
        read_key(L, -1, &keys[filled]);
        keys[filled].position = (lua_Integer)filled + 1;
        sorted = sorted && (filled == 0 || compare(&keys[filled - 1], &keys[filled]) < 0);
        lua_pushvalue(L, -1);
        lua_rawseti(L, list, (lua_Integer)filled + 1);
    }
    if (sorted) {
        lua_settop(L, list);
        return;
    }
    sort(keys, filled);
    lua_createtable(L, (int)filled, 0);
    for (size_t i = 0; i < filled; i++) {
        lua_rawgeti(L, list, keys[i].position);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_replace(L, list);
    lua_settop(L, list);
}

// Upvalues: the keys, the position of the last one given.
static int next_pair(lua_State *L) {
    lua_settop(L, 1);
    lua_Integer position = lua_tointeger(L, lua_upvalueindex(2));
    for (int64_t skipped = 1;; skipped++) {
        if (skipped % 1024 == 0) {
            flua_charge(L, 1024);
        }
        position++;
        if (lua_rawgeti(L, lua_upvalueindex(1), position) == LUA_TNIL) {
            return 1;
        }
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL) {
            lua_pushinteger(L, position);
            lua_replace(L, lua_upvalueindex(2));
            return 2;
        }
        lua_settop(L, 1);
    }
}

int flua_pairs(lua_State *L) {
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    flua_push_sorted_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

// The position of the first key after `key`.
static lua_Integer position_after(lua_State *L, int list, int key) {
    sort_key wanted, found;
    read_key(L, key, &wanted);
    lua_Integer low = 1, high = (lua_Integer)lua_rawlen(L, list) + 1;
    while (low < high) {
        lua_Integer middle = low + (high - low) / 2;
        lua_rawgeti(L, list, middle);
        read_key(L, -1, &found);
        lua_pop(L, 1);
        if (compare(&found, &wanted) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// Upvalue: the table of the walk that is going on, under 1, and its keys, under 2.
int flua_next(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    bool first = lua_isnil(L, 2);
    if (first) {
        // Asking whether a table is empty needs no order.
        if (lua_next(L, 1) == 0) {
            lua_pushnil(L);
            return 1;
        }
        lua_settop(L, 1);
        lua_pushnil(L);
    }
    lua_rawgeti(L, lua_upvalueindex(1), 1);
    bool known = lua_rawequal(L, 1, 3);
    lua_settop(L, 2);
    if (first || !known) {
        flua_push_sorted_keys(L, 1);
        lua_pushvalue(L, 1);
        lua_rawseti(L, lua_upvalueindex(1), 1);
        lua_pushvalue(L, 3);
        lua_rawseti(L, lua_upvalueindex(1), 2);
    } else {
        lua_rawgeti(L, lua_upvalueindex(1), 2);
    }
    lua_Integer position = first ? 1 : position_after(L, 3, 2);
    for (int64_t skipped = 1;; skipped++, position++) {
        if (skipped % 1024 == 0) {
            flua_charge(L, 1024);
        }
        lua_settop(L, 3);
        if (lua_rawgeti(L, 3, position) == LUA_TNIL) {
            // Hold on to no table longer than its walk.
            lua_pushnil(L);
            lua_rawseti(L, lua_upvalueindex(1), 1);
            lua_pushnil(L);
            lua_rawseti(L, lua_upvalueindex(1), 2);
            lua_pushnil(L);
            return 1;
        }
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL) {
            return 2;
        }
    }
}
