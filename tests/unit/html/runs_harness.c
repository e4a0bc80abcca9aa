/* Reads cases from the standard input, each a size in four bytes and then that many bytes, and lets the C part of the
   HTML engine read each from its first byte on and in every state, from memory that ends where the case ends. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "runs.h"

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void check(const Byte *data, size_t size, size_t position, size_t limit, Outside outside, size_t room)
{
    Run *run = malloc(sizeof *run);
    require(run != NULL, "memory");
    run->cursor = (Cursor){data + position, data + size};
    run->limit = data + limit;
    run->outside = outside;
    run->room = room;
    run->depth = run->paragraphs = run->formatting = 0;
    read_run(run);
    require(run->cursor.at >= data + position && run->cursor.at <= data + size, "the cursor stays inside");
    require(!run->depth || run->depth < room, "the stack is bounded");
    for (size_t i = 0; i < run->depth; i++) {
        const Tag *tag = &run->open[i].tag;
        require(tag->start >= data + position && tag->start < data + limit, "an open element begins inside");
        require(tag->name_size > 0 && run->open[i].mode != IN_FOREIGN, "foreign content is whole");
    }
    free(run);
}

static void check_all(const Byte *data, size_t size)
{
    for (int mode = INITIAL; mode <= IN_FOREIGN; mode++) {
        Outside outside = {.mode = (Mode)mode, .takes_items = mode % 2, .formatting = (unsigned)(size % 3)};
        check(data, size, 0, size, outside, MOST_OPEN);
        check(data, size, size / 3, size - size / 4, outside, size % 9);
    }
    for (size_t i = 0; i <= size && i < 64; i++)
        check(data, size, i, size, (Outside){.mode = IN_BODY, .paragraph = i % 2}, MOST_OPEN);
    const Byte *found = find((Cursor){data, data + size}, (const Byte *)"</td", 4);
    require(!found || memcmp(found, "</td", 4) == 0, "what is found is there");
    found = find_tag((Cursor){data, data + size}, (const Byte *)"td", 2);
    require(!found || *found == '<', "a tag is found at its beginning");
}

int main(void)
{
    unsigned char header[4];
    unsigned long cases = 0;
    while (fread(header, 1, sizeof header, stdin) == sizeof header) {
        size_t size = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;
        Byte *data = malloc(size);
        require(size == 0 || (data && fread(data, 1, size, stdin) == size), "a case is whole");
        check_all(data ? data : (const Byte *)"", size);
        free(data);
        cases++;
    }
    printf("%lu\n", cases);
    return 0;
}
