/* The tree rules (HTML 13.2.6) for markup that is nested as it should be.

   Rules of this file:
   1. Each function either does for a tag exactly what the tree rules in Python would do, or returns false and changes
      nothing. The run ends before such a tag, and the rules in Python read on.
   2. Elements that were open before the run stay open: an end tag that is not one of the run's own ends the run.
   3. Replaying the start tags of `open` leads to the state that the whole run leads to: what else it held left no trace.
   4. No recursion, no allocation, no state but the run's. */

#include "runs.h"

/* "Noah's Ark": of equal formatting elements this many stay in the list. */
enum { MOST_EQUAL = 3 };

static Mode mode(const Run *run)
{
    return run->depth ? run->open[run->depth - 1].mode : run->outside.mode;
}

static bool top_is(const Run *run, Kind kind)
{
    return run->depth && run->open[run->depth - 1].kind == kind;
}

static bool names(const Tag *tag, const Open *open)
{
    return same_name(tag->name, tag->name_size, open->tag.name, open->tag.name_size);
}

static bool has_room(const Run *run, size_t count)
{
    return run->room - run->depth > count;
}

static bool push(Run *run, Kind kind, Mode inside, const Tag *tag)
{
    if (!has_room(run, 1))
        return false;
    run->open[run->depth++] = (Open){.kind = kind, .mode = inside, .tag = *tag};
    run->paragraphs += kind == PARAGRAPH;
    run->formatting += kind == FORMATTING || kind == LINK;
    return true;
}

static void pop_to(Run *run, size_t depth)
{
    while (run->depth > depth) {
        Kind kind = run->open[--run->depth].kind;
        run->paragraphs -= kind == PARAGRAPH;
        run->formatting -= kind == FORMATTING || kind == LINK;
    }
}

/* --- what start tags ask of the elements around */

static bool is_scope(Kind kind)
{
    return kind == TABLE || kind == CELL || kind == CAPTION || kind == HTML;
}

/* Whether no p is open, or one that a block may end at `*depth`: then it is the current node. */
static bool closes_paragraph(const Run *run, size_t *depth)
{
    size_t i = *depth;
    if (i && run->open[i - 1].kind == PARAGRAPH) {
        *depth = i - 1;
        return true;
    }
    if (!run->paragraphs && !run->outside.paragraph)
        return true;
    for (; i; i--) {
        Kind kind = run->open[i - 1].kind;
        if (kind == PARAGRAPH)
            return false;
        if (is_scope(kind) || kind == BUTTON)
            return true;
    }
    return !run->outside.paragraph;
}

/* Where an item of a list is put: behind one that it ends if that holds nothing open but paragraphs. */
static bool closes_item(const Run *run, Kind kind, size_t *depth)
{
    bool only_paragraphs = true;
    for (size_t i = *depth; i; i--) {
        Kind other = run->open[i - 1].kind;
        if (other == kind) {
            *depth = i - 1;
            return only_paragraphs;
        }
        if (other != PARAGRAPH && other != LOOSE_BLOCK && other != ORDINARY && other != FORMATTING && other != LINK)
            return true;
        only_paragraphs = only_paragraphs && other == PARAGRAPH;
    }
    return run->outside.takes_items;
}

/* Whether one more formatting element removes none from the list: a link ends a link, and of equal ones three stay. */
static bool takes_formatting(const Run *run, Kind kind, const Tag *tag)
{
    size_t same = run->outside.formatting;
    if (!run->formatting && !same)
        return true;
    for (size_t i = run->depth; i; i--) {
        const Open *open = &run->open[i - 1];
        if (open->kind == CELL || open->kind == CAPTION)
            return same - run->outside.formatting < MOST_EQUAL;
        if (open->kind == kind && names(tag, open)) {
            if (kind == LINK)
                return false;
            same++;
        }
    }
    return same < MOST_EQUAL && !(kind == LINK && run->outside.link);
}

static bool takes_button(const Run *run)
{
    for (size_t i = run->depth; i; i--) {
        Kind kind = run->open[i - 1].kind;
        if (kind == BUTTON)
            return false;
        if (is_scope(kind))
            return true;
    }
    return false;
}

static bool takes_form(const Run *run)
{
    if (run->outside.form)
        return false;
    for (size_t i = run->depth; i; i--)
        if (run->open[i - 1].kind == FORM)
            return false;
    return true;
}

/* --- start tags, by mode; the cursor is behind the tag */

static bool raw(Run *run, Kind kind, const Tag *tag)
{
    return has_room(run, 1) && read_raw_text(&run->cursor, tag, kind == SCRIPT);
}

static bool block(Run *run, Kind kind, const Tag *tag, size_t depth)
{
    if (!closes_paragraph(run, &depth) || !has_room(run, 1))
        return false;
    pop_to(run, depth);
    return push(run, kind, IN_BODY, tag);
}

static bool heading(Run *run, const Tag *tag)
{
    size_t depth = run->depth;
    if (!closes_paragraph(run, &depth))
        return false;
    if (depth ? run->open[depth - 1].kind == HEADING : run->outside.heading)
        return false;
    return block(run, HEADING, tag, run->depth);
}

static bool rule(Run *run)
{
    size_t depth = run->depth;
    if (!closes_paragraph(run, &depth) || !has_room(run, 1))
        return false;
    pop_to(run, depth);
    return true;
}

static bool start_in_body(Run *run, Kind kind, const Tag *tag)
{
    size_t depth = run->depth;
    switch (kind) {
    case ORDINARY:
        return push(run, kind, IN_BODY, tag);
    case FORMATTING:
    case LINK:
        return takes_formatting(run, kind, tag) && push(run, kind, IN_BODY, tag);
    case BLOCK:
    case LOOSE_BLOCK:
    case PARAGRAPH:
        return block(run, kind, tag, depth);
    case HEADING:
        return heading(run, tag);
    case ITEM:
    case TERM:
        return closes_item(run, kind, &depth) && block(run, kind, tag, depth);
    case BUTTON:
        return takes_button(run) && push(run, kind, IN_BODY, tag);
    case FORM:
        return takes_form(run) && block(run, kind, tag, depth);
    case VOID:
    case HEAD_VOID:
        return has_room(run, 1);
    case RULE:
        return rule(run);
    case SCRIPT:
    case STYLE:
    case TITLE:
    case HEAD_RAW:
    case BODY_RAW:
        return raw(run, kind, tag);
    case SELECT:
        return push(run, kind, IN_SELECT, tag);
    case TABLE:
        /* In quirks mode it ends no p. */
        return closes_paragraph(run, &depth) && depth == run->depth && push(run, kind, IN_TABLE, tag);
    case FOREIGN_ROOT:
        return tag->self_closing ? has_room(run, 1) : push(run, kind, IN_FOREIGN, tag);
    default:
        return false;
    }
}

static bool start_in_head(Run *run, Kind kind, const Tag *tag)
{
    switch (kind) {
    case HEAD_VOID:
        return has_room(run, 1);
    case SCRIPT:
    case STYLE:
    case TITLE:
    case HEAD_RAW:
        return raw(run, kind, tag);
    default:
        return false;
    }
}

/* A tr right in a table implies a tbody; the name stands for it when it is replayed. */
static bool imply_section(Run *run, const Tag *row)
{
    static const Byte name[] = "tbody";
    Tag tag = {.start = row->start, .name = name, .name_size = sizeof name - 1, .attributes = name};
    return has_room(run, 2) && push(run, SECTION, IN_TABLE_BODY, &tag) && push(run, ROW, IN_ROW, row);
}

static bool start_in_table(Run *run, Kind kind, const Tag *tag)
{
    Mode current = mode(run);
    if (kind == SCRIPT || kind == STYLE)
        return raw(run, kind, tag);
    if (current == IN_TABLE_BODY)
        return kind == ROW && push(run, kind, IN_ROW, tag);
    if (current == IN_ROW)
        return kind == CELL && push(run, kind, IN_BODY, tag);
    switch (kind) {
    case CAPTION:
        return push(run, kind, IN_BODY, tag);
    case COLGROUP:
        return push(run, kind, IN_COLUMN_GROUP, tag);
    case SECTION:
        return push(run, kind, IN_TABLE_BODY, tag);
    case ROW:
        return imply_section(run, tag);
    default:
        return false;
    }
}

static bool start_in_select(Run *run, Kind kind, const Tag *tag)
{
    if (kind == SCRIPT)
        return raw(run, kind, tag);
    if ((kind != OPTION && kind != OPTGROUP) || !has_room(run, 1))
        return false;
    if (top_is(run, OPTION))
        pop_to(run, run->depth - 1);
    if (kind == OPTGROUP && top_is(run, OPTGROUP))
        pop_to(run, run->depth - 1);
    return push(run, kind, IN_SELECT, tag);
}

static bool start_in_foreign(Run *run, const Tag *tag)
{
    Kind kind = foreign_kind_of(tag);
    if (kind == REFUSED || top_is(run, INTEGRATION_POINT))
        return false;
    return tag->self_closing ? has_room(run, 1) : push(run, kind, IN_FOREIGN, tag);
}

static bool read_start(Run *run)
{
    Tag tag;
    if (!read_start_tag(&run->cursor, &tag) || run->cursor.at > run->limit)
        return false;
    Mode current = mode(run);
    if (current == IN_FOREIGN)
        return start_in_foreign(run, &tag);
    Kind kind = kind_of(&tag);
    switch (current) {
    case BEFORE_HTML:
        return kind == HTML && push(run, kind, BEFORE_HEAD, &tag);
    case BEFORE_HEAD:
        return kind == HEAD && push(run, kind, IN_HEAD, &tag);
    case IN_HEAD:
        return start_in_head(run, kind, &tag);
    case AFTER_HEAD:
        return kind == BODY && push(run, kind, IN_BODY, &tag);
    case IN_BODY:
        return start_in_body(run, kind, &tag);
    case IN_TABLE:
    case IN_TABLE_BODY:
    case IN_ROW:
        return start_in_table(run, kind, &tag);
    case IN_COLUMN_GROUP:
        return kind == COL && has_room(run, 1);
    case IN_SELECT:
        return start_in_select(run, kind, &tag);
    default:
        return false;
    }
}

/* --- end tags */

static bool has_implied_end(Kind kind)
{
    return kind == PARAGRAPH || kind == ITEM || kind == TERM || kind == OPTION || kind == OPTGROUP;
}

/* Whether the end tag of such an element first closes those with implied end tags in it. */
static bool implies_ends(Kind kind)
{
    switch (kind) {
    case BLOCK:
    case LOOSE_BLOCK:
    case HEADING:
    case ITEM:
    case TERM:
    case BUTTON:
    case FORM:
    case SELECT:
    case OPTGROUP:
    case CAPTION:
    case CELL:
        return true;
    default:
        return false;
    }
}

static bool end_head(Run *run, const Tag *tag)
{
    /* It stays in `open`, for the end tag to be replayed. */
    Tag end = *tag;
    end.name--;
    end.name_size++;
    return push(run, HEAD_END, AFTER_HEAD, &end);
}

static bool read_end(Run *run)
{
    Tag tag;
    if (!read_end_tag(&run->cursor, &tag) || run->cursor.at > run->limit)
        return false;
    size_t depth = run->depth;
    while (depth && has_implied_end(run->open[depth - 1].kind) && !names(&tag, &run->open[depth - 1]))
        depth--;
    if (depth > 1 && run->open[depth - 1].kind == SECTION && run->open[depth - 2].kind == TABLE && kind_of(&tag) == TABLE)
        depth--;
    if (!depth || !names(&tag, &run->open[depth - 1]))
        return false;
    Kind kind = run->open[depth - 1].kind;
    if (kind == HEAD)
        return end_head(run, &tag);
    if (kind == HTML || kind == BODY || kind == DOCTYPE || kind == HEAD_END)
        return false;
    if (depth < run->depth && !implies_ends(kind) && kind != TABLE)
        return false;
    pop_to(run, depth - 1);
    return true;
}

/* --- everything */

static bool read_doctype(Run *run)
{
    static const Byte name[] = "!doctype";
    Tag tag = {.start = run->cursor.at, .name = name, .name_size = sizeof name - 1, .attributes = name};
    return mode(run) == INITIAL && read_plain_doctype(&run->cursor) && push(run, DOCTYPE, BEFORE_HTML, &tag);
}

static bool read_token(Run *run)
{
    const Cursor *cursor = &run->cursor;
    if (cursor->at >= run->limit || cursor->end - cursor->at < 2 || *cursor->at != '<')
        return false;
    switch (cursor->at[1]) {
    case '/':
        return read_end(run);
    case '!':
        if (cursor->end - cursor->at > 2 && cursor->at[2] == '-')
            return read_comment(&run->cursor);
        return read_doctype(run);
    default:
        return read_start(run);
    }
}

void read_run(Run *run)
{
    const Byte *behind;
    do {
        Mode current = mode(run);
        if (current == IN_BODY || current == IN_SELECT || current == IN_FOREIGN)
            skip_text(&run->cursor);
        else
            skip_spaces(&run->cursor);
        behind = run->cursor.at;
    } while (read_token(run));
    /* A region of foreign content is not a run unless it is whole. */
    while (run->depth && run->open[run->depth - 1].mode == IN_FOREIGN) {
        behind = run->open[run->depth - 1].tag.start;
        pop_to(run, run->depth - 1);
    }
    run->cursor.at = behind;
}
