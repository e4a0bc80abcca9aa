/* Names, tags and raw text as the HTML tokenizer reads them, in their plain forms only. Nothing here knows of Python.

   A cursor never looks at `end` or behind it: what ends there is unfinished, and refused like what is odd. */

#ifndef PORTAL_GATEWAY_TAGS_H
#define PORTAL_GATEWAY_TAGS_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char Byte;

/* Elements by what the tree rules do with their start tags. */
typedef enum {
    ORDINARY, /* any name that no rule knows */
    FORMATTING,
    LINK,
    BLOCK,
    LOOSE_BLOCK, /* a block in which a list item still ends the item around it */
    PARAGRAPH,
    HEADING,
    ITEM,
    TERM,
    BUTTON,
    FORM,
    VOID,
    HEAD_VOID,
    RULE,
    SCRIPT,
    STYLE,
    TITLE,
    HEAD_RAW,
    BODY_RAW,
    SELECT,
    OPTION,
    OPTGROUP,
    TABLE,
    CAPTION,
    COLGROUP,
    COL,
    SECTION,
    ROW,
    CELL,
    FOREIGN_ROOT,
    FOREIGN,
    INTEGRATION_POINT,
    HTML,
    HEAD,
    HEAD_END,
    BODY,
    DOCTYPE,
    REFUSED, /* left to the exact rules */
} Kind;

typedef struct {
    const Byte *at;
    const Byte *end;
} Cursor;

typedef struct {
    const Byte *start; /* its "<" */
    const Byte *name;
    size_t name_size;
    const Byte *attributes; /* from the end of the name to the ">" */
    size_t attributes_size;
    bool self_closing;
} Tag;

static inline Byte lower(Byte c)
{
    return (unsigned)c - 'A' < 26 ? c | 0x20 : c;
}

static inline bool is_space(Byte c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

/* In any case of letters. */
bool same_name(const Byte *a, size_t a_size, const Byte *b, size_t b_size);
Kind kind_of(const Tag *tag);
/* Whether an element of a name that HTML does not know is foreign too, and how. REFUSED: it would end the region. */
Kind foreign_kind_of(const Tag *tag);

void skip_spaces(Cursor *cursor);
/* To the next "<", or to the end. */
void skip_text(Cursor *cursor);

/* Each of these moves the cursor behind what it read, or returns false and leaves it anywhere. */
bool read_start_tag(Cursor *cursor, Tag *tag);
bool read_end_tag(Cursor *cursor, Tag *tag);
bool read_comment(Cursor *cursor);
bool read_plain_doctype(Cursor *cursor);
/* Text that is no markup, and the end tag behind it, of the element that `tag` began. */
bool read_raw_text(Cursor *cursor, const Tag *tag, bool script);

#endif
