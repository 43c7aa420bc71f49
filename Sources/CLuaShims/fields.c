// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The host's operations on tables.

#include "operations.h"

static int new_table_body(lua_State *L) {
    operation *op = operation_of(L);
    lua_createtable(L, op->subject, op->other);
    op->reference = keep_top(L);
    return 0;
}

int flua_new_table(flua_state *s, int array, int fields, int *reference) {
    operation op = {.subject = array, .other = fields};
    int reason = flua_run_protected(s, new_table_body, &op, 0, 0);
    *reference = op.reference;
    return reason;
}

static int get_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    flua_push_values(L, op->values);
    if (op->raw) {
        lua_rawget(L, -2);
    } else {
        lua_gettable(L, -2);
    }
    return 1;
}

int flua_get(flua_state *s, int table, const flua_values *key, int raw) {
    operation op = {.subject = table, .values = key, .raw = raw};
    return flua_run_protected(s, get_body, &op, 0, 1);
}

static int set_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    flua_push_values(L, op->values);
    if (lua_isnil(L, -2) || (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) != lua_tonumber(L, -2))) {
        return luaL_error(L, "a table has no field %s", lua_isnil(L, -2) ? "nil" : "nan");
    }
    if (op->raw) {
        lua_rawset(L, -3);
    } else {
        lua_settable(L, -3);
    }
    return 0;
}

int flua_set(flua_state *s, int table, const flua_values *pair, int raw) {
    operation op = {.subject = table, .values = pair, .raw = raw};
    return flua_run_protected(s, set_body, &op, 0, 0);
}

static int length_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    op->number = op->raw ? (int64_t)lua_rawlen(L, -1) : luaL_len(L, -1);
    return 0;
}

int flua_length(flua_state *s, int table, int raw, int64_t *length) {
    operation op = {.subject = table, .raw = raw};
    int reason = flua_run_protected(s, length_body, &op, 0, 0);
    *length = op.number;
    return reason;
}

static int keys_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    flua_push_sorted_keys(L, 2);
    op->number = (int64_t)lua_rawlen(L, -1);
    op->reference = keep_top(L);
    return 0;
}

int flua_keys(flua_state *s, int table, int *reference, int64_t *count) {
    operation op = {.subject = table};
    int reason = flua_run_protected(s, keys_body, &op, 0, 0);
    *reference = op.reference;
    *count = op.number;
    return reason;
}
