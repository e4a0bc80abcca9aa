/* Markup that leaves everything as it was, read for as long as it lasts: what runs.py does, in more states. */

#ifndef PORTAL_GATEWAY_RUNS_H
#define PORTAL_GATEWAY_RUNS_H

#include "tags.h"

/* No deeper than the tree rules go. */
enum { MOST_OPEN = 512 };

/* Insertion modes; "in body" stands for "in cell" and "in caption" too. */
typedef enum {
    INITIAL,
    BEFORE_HTML,
    BEFORE_HEAD,
    IN_HEAD,
    AFTER_HEAD,
    IN_BODY,
    IN_TABLE,
    IN_TABLE_BODY,
    IN_ROW,
    IN_COLUMN_GROUP,
    IN_SELECT,
    IN_FOREIGN,
} Mode;

/* Elements that were open before the run: all that has to be known of them. */
typedef struct {
    Mode mode;
    bool paragraph;         /* a p is open, somewhere */
    bool heading;           /* the current node is a heading */
    bool takes_items;       /* li, dd and dt close nothing in the current node */
    bool link;              /* since the last marker */
    bool form;              /* the form element pointer is set */
    unsigned formatting;    /* how many since the last marker */
} Outside;

typedef struct {
    Kind kind;
    Mode mode; /* inside of it */
    Tag tag;
} Open;

typedef struct {
    Cursor cursor;
    const Byte *limit; /* tags end before it; text, comments and raw text may go on behind it */
    Outside outside;
    size_t room;
    size_t depth;
    size_t paragraphs;
    size_t formatting;
    Open open[MOST_OPEN];
} Run;

/* Reads from the cursor on; it then stands behind the run, and `open` holds the elements that the run left open. */
void read_run(Run *run);

#endif
