// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// What went wrong, where, and through which calls: copied out of Lua while its stack still stands.

#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INNERMOST 48
#define OUTERMOST 16

void flua_clear_frame(flua_frame *frame) {
    free(frame->chunk);
    free(frame->prefix);
    free(frame->name);
    memset(frame, 0, sizeof *frame);
}

void flua_clear_failure(flua_state *s) {
    flua_failure *f = &s->failure;
    for (int i = 0; i < f->frame_count; i++) {
        flua_clear_frame(&f->frames[i]);
    }
    free(f->frames);
    free(f->message);
    memset(f, 0, sizeof *f);
}

void flua_place(flua_frame *frame, const char *source, const char *short_source, int line) {
    size_t size = strlen(short_source) + 16;
    frame->chunk = strdup(*source == '@' ? source + 1 : short_source);
    frame->prefix = malloc(size);
    if (frame->chunk == NULL || frame->prefix == NULL) {
        flua_clear_frame(frame);
        return;
    }
    frame->line = line;
    snprintf(frame->prefix, size, "%s:%d: ", short_source, line);
}

static flua_frame *make_frames(void) {
    return calloc(INNERMOST + OUTERMOST + 1, sizeof(flua_frame));
}

void flua_add_innermost(flua_state *s, const flua_frame *frame) {
    flua_failure *f = &s->failure;
    if (f->frames == NULL) {
        f->frames = make_frames();
    }
    if (frame->line == 0 || f->frames == NULL || f->frame_count > INNERMOST + OUTERMOST) {
        return;
    }
    memmove(f->frames + 1, f->frames, (size_t)f->frame_count * sizeof *frame);
    f->frame_count++;
    flua_frame *copy = f->frames;
    memset(copy, 0, sizeof *copy);
    copy->kind = frame->kind;
    copy->line = frame->line;
    copy->chunk = strdup(frame->chunk);
    copy->prefix = strdup(frame->prefix);
    if (copy->chunk == NULL || copy->prefix == NULL) {
        flua_clear_frame(copy);
    }
}

static void set_message(flua_failure *f, const char *text, size_t length) {
    free(f->message);
    f->message = malloc(length + 1);
    f->message_length = 0;
    if (f->message != NULL) {
        memcpy(f->message, text, length);
        f->message[length] = 0;
        f->message_length = length;
    }
}

// The registered name of a host function: names of values depend on who calls them.
static char *host_name(lua_State *L, lua_Debug *ar) {
    char *name = NULL;
    if (!lua_checkstack(L, 3) || !lua_getinfo(L, "f", ar)) {
        return NULL;
    }
    if (lua_tocfunction(L, -1) == flua_call_host && lua_getupvalue(L, -1, 1) != NULL) {
        const flua_object *object = lua_touserdata(L, -1);
        name = object != NULL && object->name != NULL ? strdup(object->name) : NULL;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return name;
}

static void describe(lua_State *L, lua_Debug *ar, flua_frame *frame) {
    memset(frame, 0, sizeof *frame);
    lua_getinfo(L, "Sln", ar);
    if (*ar->what == 'C') {
        frame->name = host_name(L, ar);
        frame->kind = frame->name != NULL ? FLUA_FRAME_HOST : FLUA_FRAME_LIBRARY;
    } else {
        frame->kind = *ar->what == 'm' ? FLUA_FRAME_MAIN : FLUA_FRAME_SCRIPT;
        if (ar->currentline > 0) {
            int kind = frame->kind;
            flua_place(frame, ar->source, ar->short_src, ar->currentline);
            frame->kind = kind;
        }
    }
    if (frame->name == NULL && ar->name != NULL) {
        frame->name = strdup(ar->name);
    }
}

static int depth_of(lua_State *L) {
    lua_Debug ar;
    int low = 0, high = 1;
    while (lua_getstack(L, high, &ar)) {
        low = high;
        high *= 2;
    }
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (lua_getstack(L, middle, &ar)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return lua_getstack(L, 0, &ar) ? high : 0;
}

static void add_frames(flua_failure *f, lua_State *L, int level) {
    int end = depth_of(L);
    lua_Debug ar;
    while (level < end) {
        if (f->frame_count == INNERMOST && end - level > OUTERMOST) {
            f->frames_left_out += end - level - OUTERMOST;
            level = end - OUTERMOST;
        }
        if (f->frame_count == INNERMOST + OUTERMOST) {
            f->frames_left_out += end - level;
            return;
        }
        if (lua_getstack(L, level, &ar)) {
            flua_frame *frame = &f->frames[f->frame_count];
            describe(L, &ar, frame);
            // A C function without a name is one of this library's own, between the host and Lua.
            f->frame_count += frame->kind != FLUA_FRAME_LIBRARY || frame->name != NULL;
        }
        level++;
    }
}

void flua_capture(flua_state *s, lua_State *L, int level) {
    flua_clear_failure(s);
    flua_failure *f = &s->failure;
    f->reason = s->tripped;
    f->frames = make_frames();
    if (f->frames == NULL) {
        return;
    }
    add_frames(f, L, level);
    for (flua_resumer *r = s->resumers; r != NULL; r = r->previous) {
        add_frames(f, r->thread, 0);
    }
    if (s->tripped == FLUA_MEMORY) {
        // By the time the error is seen, the calls below the pcall that saw it are gone.
        flua_add_innermost(s, &s->refused_at);
    }
}

// Shows an error value that is no string. Runs protected: a __tostring may fail.
static int show(lua_State *L) {
    flua_tolstring(L, 1, NULL);
    return 1;
}

int flua_on_error(lua_State *L) {
    flua_state *s = flua_of(L);
    if (s->tripped != FLUA_NONE) {
        return 1;
    }
    flua_capture(s, L, 1);
    flua_failure *f = &s->failure;
    f->reason = FLUA_RUNTIME;
    f->raised_by_script = f->frame_count > 0 && f->frames[0].line > 0;
    size_t length;
    const char *text;
    if (lua_type(L, 1) == LUA_TSTRING) {
        text = lua_tolstring(L, 1, &length);
        set_message(f, text, length);
        return 1;
    }
    lua_pushcfunction(L, show);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK && (text = lua_tolstring(L, -1, &length)) != NULL) {
        set_message(f, text, length);
    }
    return 1;
}

void flua_note_failure(flua_state *s, lua_State *L, int status) {
    if (s->tripped == FLUA_NONE && status == LUA_ERRMEM && s->refused) {
        s->tripped = FLUA_MEMORY;
        flua_capture(s, L, 0);
    }
    flua_failure *f = &s->failure;
    if (s->tripped != FLUA_NONE) {
        f->reason = s->tripped;
        return;
    }
    f->reason = status == LUA_ERRSYNTAX ? FLUA_SYNTAX : FLUA_RUNTIME;
    // The handler saw the error first, unless it was raised where no handler runs.
    if ((f->message == NULL || status != LUA_ERRRUN) && lua_type(L, -1) == LUA_TSTRING) {
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        set_message(f, text, length);
    }
}

const char *flua_where(flua_state *s, int *line) {
    lua_Debug ar;
    lua_State *L = s->current;
    flua_resumer *resumer = s->resumers;
    while (L != NULL) {
        for (int level = 0; lua_getstack(L, level, &ar); level++) {
            if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0) {
                *line = ar.currentline;
                memcpy(s->where, ar.short_src, LUA_IDSIZE);
                return *ar.source == '@' ? ar.source + 1 : s->where;
            }
        }
        L = resumer == NULL ? NULL : resumer->thread;
        resumer = resumer == NULL ? NULL : resumer->previous;
    }
    return NULL;
}

void flua_take_traceback(flua_state *s) {
    flua_capture(s, s->current, 0);
}

const flua_failure *flua_last_failure(const flua_state *s) {
    return &s->failure;
}
