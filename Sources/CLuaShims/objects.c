// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// The host's operations on host functions and userdata.

#include "operations.h"

#include <string.h>

static void push_object(lua_State *L) {
    flua_object *userdata = lua_newuserdatauv(L, sizeof *userdata, 0);
    memset(userdata, 0, sizeof *userdata);
    userdata->serial = ++flua_of(L)->serial;
}

// From here on the state owns the object: it lets go of it when it collects the userdata.
static void give_object(lua_State *L, operation *op) {
    flua_object *userdata = lua_touserdata(L, -1);
    userdata->name = op->name == NULL ? NULL : strdup(op->name);
    userdata->object = op->object;
    op->taken = 1;
}

static int new_function_body(lua_State *L) {
    operation *op = operation_of(L);
    push_object(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &flua_object_metatable);
    lua_setmetatable(L, -2);
    give_object(L, op);
    lua_pushcclosure(L, flua_call_host, 1);
    op->reference = keep_top(L);
    return 0;
}

int flua_new_function(flua_state *s, void *function, const char *name, int *reference, int *taken) {
    operation op = {.object = function, .name = name};
    int reason = flua_run_protected(s, new_function_body, &op, 0, 0);
    *reference = op.reference;
    *taken = op.taken;
    return reason;
}

static int new_userdata_body(lua_State *L) {
    operation *op = operation_of(L);
    push_object(L);
    push_reference(L, op->subject);
    lua_setmetatable(L, -2);
    give_object(L, op);
    op->reference = keep_top(L);
    return 0;
}

int flua_new_userdata(flua_state *s, void *object, int metatable, int *reference, int *taken) {
    operation op = {.object = object, .subject = metatable};
    int reason = flua_run_protected(s, new_userdata_body, &op, 0, 0);
    *reference = op.reference;
    *taken = op.taken;
    return reason;
}

// __index of every userdata type: a method, else what the host answers.
static int index_userdata(lua_State *L) {
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

static int seal_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    push_reference(L, op->other);
    push_reference(L, op->third);
    lua_pushcclosure(L, index_userdata, 2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, flua_collect_object);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    return 0;
}

int flua_seal(flua_state *s, int metatable, int methods, int index) {
    operation op = {.subject = metatable, .other = methods, .third = index};
    return flua_run_protected(s, seal_body, &op, 0, 0);
}

static int set_metatable_body(lua_State *L) {
    operation *op = operation_of(L);
    push_reference(L, op->subject);
    push_reference(L, op->other);
    lua_setmetatable(L, -2);
    return 0;
}

int flua_set_metatable(flua_state *s, int table, int metatable) {
    operation op = {.subject = table, .other = metatable};
    return flua_run_protected(s, set_metatable_body, &op, 0, 0);
}

static int set_printer_body(lua_State *L) {
    push_reference(L, operation_of(L)->subject);
    lua_setfield(L, LUA_REGISTRYINDEX, "fermata.printer");
    return 0;
}

int flua_set_printer(flua_state *s, int function) {
    operation op = {.subject = function};
    return flua_run_protected(s, set_printer_body, &op, 0, 0);
}
