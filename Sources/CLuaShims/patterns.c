// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Lua patterns, as chapter 6.4.1 of the manual defines them, with every comparison counted: a pattern can backtrack for
// longer than anyone wants to wait, and a hook does not see what C code does.

#include "patterns.h"

#include <ctype.h>
#include <string.h>

static const char *match_here(matcher *m, const char *s, const char *p);

// The end of the single-character item that starts at `p`.
static const char *item_end(matcher *m, const char *p) {
    char first = *p++;
    if (first == '%') {
        if (p == m->pattern_end) {
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        }
        return p + 1;
    }
    if (first != '[') {
        return p;
    }
    if (*p == '^') {
        p++;
    }
    do {
        if (p == m->pattern_end) {
            luaL_error(m->L, "malformed pattern (missing ']')");
        }
        char c = *p++;
        if (c == '%' && p < m->pattern_end) {
            p++;
        }
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int class) {
    bool found;
    switch (tolower(class)) {
    case 'a':
        found = isalpha(c) != 0;
        break;
    case 'c':
        found = iscntrl(c) != 0;
        break;
    case 'd':
        found = isdigit(c) != 0;
        break;
    case 'g':
        found = isgraph(c) != 0;
        break;
    case 'l':
        found = islower(c) != 0;
        break;
    case 'p':
        found = ispunct(c) != 0;
        break;
    case 's':
        found = isspace(c) != 0;
        break;
    case 'u':
        found = isupper(c) != 0;
        break;
    case 'w':
        found = isalnum(c) != 0;
        break;
    case 'x':
        found = isxdigit(c) != 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !found : found;
}

// Whether `c` is in the set from the bracket at `p` to the one before `end`.
static bool in_set(matcher *m, int c, const char *p, const char *end) {
    const unsigned char *q = (const unsigned char *)p + 1;
    const unsigned char *last = (const unsigned char *)end - 1;
    bool wanted = true;
    if (*q == '^') {
        wanted = false;
        q++;
    }
    while (q < last) {
        flua_round(m->L, &m->rounds);
        if (*q == '%') {
            if (in_class(c, q[1])) {
                return wanted;
            }
            q += 2;
        } else if (q[1] == '-' && q + 2 < last) {
            if (q[0] <= c && c <= q[2]) {
                return wanted;
            }
            q += 3;
        } else if (*q++ == c) {
            return wanted;
        }
    }
    return !wanted;
}

static bool item_matches(matcher *m, const char *s, const char *p, const char *end) {
    flua_round(m->L, &m->rounds);
    if (s >= m->subject_end) {
        return false;
    }
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(m, c, p, end);
    default:
        return (unsigned char)*p == c;
    }
}

static const char *match_balanced(matcher *m, const char *s, const char *p) {
    if (p + 1 >= m->pattern_end) {
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    }
    if (s >= m->subject_end || *s != p[0]) {
        return NULL;
    }
    int nesting = 1;
    for (s++; s < m->subject_end; s++) {
        flua_round(m->L, &m->rounds);
        if (*s == p[1]) {
            if (--nesting == 0) {
                return s + 1;
            }
        } else if (*s == p[0]) {
            nesting++;
        }
    }
    return NULL;
}

static const char *expand_most(matcher *m, const char *s, const char *p, const char *end) {
    ptrdiff_t count = 0;
    while (item_matches(m, s + count, p, end)) {
        count++;
    }
    for (; count >= 0; count--) {
        const char *found = match_here(m, s + count, end + 1);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static const char *expand_least(matcher *m, const char *s, const char *p, const char *end) {
    for (;; s++) {
        const char *found = match_here(m, s, end + 1);
        if (found != NULL) {
            return found;
        }
        if (!item_matches(m, s, p, end)) {
            return NULL;
        }
    }
}

static const char *open_capture(matcher *m, const char *s, const char *p, ptrdiff_t kind) {
    if (m->level >= MAX_CAPTURES) {
        luaL_error(m->L, "too many captures");
    }
    m->captures[m->level].start = s;
    m->captures[m->level].length = kind;
    m->level++;
    const char *found = match_here(m, s, p);
    if (found == NULL) {
        m->level--;
    }
    return found;
}

static const char *close_capture(matcher *m, const char *s, const char *p) {
    int open = m->level - 1;
    while (open >= 0 && m->captures[open].length != OPEN) {
        open--;
    }
    if (open < 0) {
        luaL_error(m->L, "invalid pattern capture");
    }
    m->captures[open].length = s - m->captures[open].start;
    const char *found = match_here(m, s, p);
    if (found == NULL) {
        m->captures[open].length = OPEN;
    }
    return found;
}

static const char *match_reference(matcher *m, const char *s, char digit) {
    int index = digit - '1';
    if (index < 0 || index >= m->level || m->captures[index].length == OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", index + 1);
    }
    ptrdiff_t length = m->captures[index].length;
    if (length < 0 || m->subject_end - s < length) {
        return NULL;
    }
    flua_charge(m->L, length >> 4);
    return memcmp(m->captures[index].start, s, (size_t)length) == 0 ? s + length : NULL;
}

// %f[set]: between a character outside the set and one inside.
static bool at_frontier(matcher *m, const char *s, const char *p, const char *end) {
    int before = s == m->subject ? 0 : (unsigned char)s[-1];
    int after = s >= m->subject_end ? 0 : (unsigned char)*s;
    return !in_set(m, before, p, end) && in_set(m, after, p, end);
}

static const char *match_items(matcher *m, const char *s, const char *p) {
    while (p < m->pattern_end) {
        flua_round(m->L, &m->rounds);
        if (*p == '(') {
            return p[1] == ')' ? open_capture(m, s, p + 2, POSITION) : open_capture(m, s, p + 1, OPEN);
        }
        if (*p == ')') {
            return close_capture(m, s, p + 1);
        }
        if (*p == '$' && p + 1 == m->pattern_end) {
            return s == m->subject_end ? s : NULL;
        }
        if (*p == '%' && p[1] == 'b') {
            s = match_balanced(m, s, p + 2);
            p += 4;
        } else if (*p == '%' && p[1] == 'f') {
            p += 2;
            if (*p != '[') {
                luaL_error(m->L, "missing '[' after '%%f' in pattern");
            }
            const char *end = item_end(m, p);
            s = at_frontier(m, s, p, end) ? s : NULL;
            p = end;
        } else if (*p == '%' && isdigit((unsigned char)p[1])) {
            s = match_reference(m, s, p[1]);
            p += 2;
        } else {
            const char *end = item_end(m, p);
            char repeat = end < m->pattern_end ? *end : 0;
            if (repeat == '*') {
                return expand_most(m, s, p, end);
            }
            if (repeat == '-') {
                return expand_least(m, s, p, end);
            }
            bool matches = item_matches(m, s, p, end);
            if (repeat == '+') {
                return matches ? expand_most(m, s + 1, p, end) : NULL;
            }
            if (repeat == '?') {
                const char *found = matches ? match_here(m, s + 1, end + 1) : NULL;
                if (found != NULL) {
                    return found;
                }
                p = end + 1;
            } else {
                s = matches ? s + 1 : NULL;
                p = end;
            }
        }
        if (s == NULL) {
            return NULL;
        }
    }
    return s;
}

// The end of the match of pattern `p` at `s`, or NULL.
static const char *match_here(matcher *m, const char *s, const char *p) {
    if (m->depth >= MAX_DEPTH) {
        luaL_error(m->L, "pattern too complex");
    }
    m->depth++;
    const char *found = match_items(m, s, p);
    m->depth--;
    return found;
}

const char *flua_start_match(matcher *m, const char *s, const char *p) {
    m->level = 0;
    m->depth = 0;
    return match_here(m, s, p);
}

void flua_prepare(matcher *m, lua_State *L, const char *s, size_t length, const char *p, size_t pattern_length) {
    m->L = L;
    m->subject = s;
    m->subject_end = s + length;
    m->pattern_end = p + pattern_length;
    m->rounds = 0;
    m->level = 0;
    m->depth = 0;
}
