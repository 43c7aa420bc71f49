// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// A pattern being matched: shared by the matcher and the functions of `string` that use it.

#pragma once

#include "state.h"

#define MAX_CAPTURES 32
#define MAX_DEPTH 200

enum { OPEN = -1, POSITION = -2 };

typedef struct {
    lua_State *L;
    const char *subject, *subject_end, *pattern_end;
    int64_t rounds;
    int depth;
    int level;
    struct {
        const char *start;
        ptrdiff_t length;
    } captures[MAX_CAPTURES];
} matcher;

void flua_prepare(matcher *m, lua_State *L, const char *s, size_t length, const char *p, size_t pattern_length);
// The end of the match of pattern `p` at `s`, or NULL. Raises.
const char *flua_start_match(matcher *m, const char *s, const char *p);
