/* The plain forms of tags, comments and raw text (HTML 13.2.5). Every read is behind a comparison with the end. */

#include "tags.h"

#include <stdint.h>
#include <string.h>

#define BIT(c) ((uint64_t)1 << (c))
/* Signs and control characters, which end what stands before them and are odd unless expected there. */
#define CONTROLS (BIT(33) - 1)
#define SIGNS (CONTROLS | BIT('"') | BIT('\'') | BIT('<') | BIT('=') | BIT('>'))

static bool is_letter(Byte c)
{
    return (unsigned)(c | 0x20) - 'a' < 26;
}

static bool in_name(Byte c)
{
    return is_letter(c) || (unsigned)c - '0' < 11 || c == '-' || c == '_' || c == '.'; /* ":" is behind "9" */
}

static bool in_attribute_name(Byte c)
{
    return c >= 64 || !((SIGNS | BIT('/')) >> c & 1);
}

static bool in_unquoted_value(Byte c)
{
    return c >= 64 || !(SIGNS >> c & 1);
}

static size_t left(const Cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* The byte that comes next, 0 at the end: where 0 is odd anyway. */
static Byte peek(const Cursor *cursor)
{
    return cursor->at < cursor->end ? *cursor->at : 0;
}

static bool take(Cursor *cursor, Byte expected)
{
    if (peek(cursor) != expected || !expected)
        return false;
    cursor->at++;
    return true;
}

/* `word` is in lower case. */
static bool take_word(Cursor *cursor, const char *word)
{
    size_t size = strlen(word);
    if (left(cursor) < size || !same_name(cursor->at, size, (const Byte *)word, size))
        return false;
    cursor->at += size;
    return true;
}

/* To the next `c` and behind it. */
static bool take_past(Cursor *cursor, Byte c)
{
    const Byte *found = left(cursor) ? memchr(cursor->at, c, left(cursor)) : NULL;
    if (!found)
        return false;
    cursor->at = found + 1;
    return true;
}

void skip_spaces(Cursor *cursor)
{
    while (cursor->at < cursor->end && is_space(*cursor->at))
        cursor->at++;
}

void skip_text(Cursor *cursor)
{
    const Byte *found = left(cursor) ? memchr(cursor->at, '<', left(cursor)) : NULL;
    cursor->at = found ? found : cursor->end;
}

static bool read_name(Cursor *cursor, Tag *tag)
{
    tag->name = cursor->at;
    if (!is_letter(peek(cursor)))
        return false;
    while (cursor->at < cursor->end && in_name(*cursor->at))
        cursor->at++;
    tag->name_size = (size_t)(cursor->at - tag->name);
    return true;
}

static bool read_value(Cursor *cursor)
{
    if (take(cursor, '"'))
        return take_past(cursor, '"');
    if (take(cursor, '\''))
        return take_past(cursor, '\'');
    const Byte *start = cursor->at;
    while (cursor->at < cursor->end && in_unquoted_value(*cursor->at))
        cursor->at++;
    return cursor->at > start;
}

static bool read_attribute(Cursor *cursor)
{
    const Byte *start = cursor->at;
    while (cursor->at < cursor->end && in_attribute_name(*cursor->at))
        cursor->at++;
    if (cursor->at == start)
        return false;
    return !take(cursor, '=') || read_value(cursor);
}

bool read_start_tag(Cursor *cursor, Tag *tag)
{
    tag->start = cursor->at;
    tag->self_closing = false;
    if (!take(cursor, '<') || !read_name(cursor, tag))
        return false;
    tag->attributes = cursor->at;
    while (!take(cursor, '>')) {
        if (take(cursor, '/')) {
            tag->self_closing = true;
            if (!take(cursor, '>'))
                return false;
            break;
        }
        if (!is_space(peek(cursor)))
            return false;
        skip_spaces(cursor);
        Byte next = peek(cursor);
        if (next != '>' && next != '/' && !read_attribute(cursor))
            return false;
    }
    tag->attributes_size = (size_t)(cursor->at - 1 - tag->attributes);
    return true;
}

bool read_end_tag(Cursor *cursor, Tag *tag)
{
    tag->start = cursor->at;
    tag->self_closing = false;
    if (!take(cursor, '<') || !take(cursor, '/') || !read_name(cursor, tag))
        return false;
    tag->attributes = cursor->at;
    tag->attributes_size = 0;
    skip_spaces(cursor);
    return take(cursor, '>');
}

bool read_comment(Cursor *cursor)
{
    if (!take_word(cursor, "<!--") || peek(cursor) == '>')
        return false;
    if (left(cursor) >= 2 && cursor->at[0] == '-' && cursor->at[1] == '>')
        return false;
    while (take_past(cursor, '-')) {
        if (!take(cursor, '-'))
            continue;
        if (take(cursor, '>') || take_word(cursor, "!>"))
            return true;
        /* The second dash may be the first of the end. */
        cursor->at--;
    }
    return false;
}

bool read_plain_doctype(Cursor *cursor)
{
    if (!take_word(cursor, "<!doctype") || !is_space(peek(cursor)))
        return false;
    skip_spaces(cursor);
    if (!take_word(cursor, "html"))
        return false;
    skip_spaces(cursor);
    return take(cursor, '>');
}

bool read_raw_text(Cursor *cursor, const Tag *tag, bool script)
{
    while (take_past(cursor, '<')) {
        if (script && left(cursor) >= 3 && memcmp(cursor->at, "!--", 3) == 0)
            /* From here on an end tag may be text. */
            return false;
        if (!take(cursor, '/') || left(cursor) < tag->name_size)
            continue;
        if (!same_name(cursor->at, tag->name_size, tag->name, tag->name_size))
            continue;
        cursor->at += tag->name_size;
        Byte next = peek(cursor);
        if (next == '>') {
            cursor->at++;
            return true;
        }
        if (cursor->at == cursor->end || is_space(next) || next == '/')
            return false;
    }
    return false;
}
