/* memchr compares dozens of bytes at once, so the byte of the word that pages hold least often is looked for first. */

#include "find.h"

#include <string.h>

/* What pages are made of, the most frequent first. Bytes that are not listed are rarer still. */
static const char FREQUENT[] = " e\"ta<>/=sonirlchdpumfg\n.bvw-ky&0;1:2_j3xq4z56789,";

static size_t rarity(Byte c)
{
    const char *found = c ? strchr(FREQUENT, c) : NULL;
    return found ? (size_t)(found - FREQUENT) : sizeof FREQUENT;
}

static size_t rarest(const Byte *word, size_t size)
{
    size_t best = 0;
    for (size_t i = 1; i < size; i++)
        if (rarity(word[i]) > rarity(word[best]))
            best = i;
    return best;
}

const Byte *find(Cursor text, const Byte *word, size_t size)
{
    size_t offset = rarest(word, size);
    size_t left = (size_t)(text.end - text.at);
    /* From here on `text` is where that byte may stand, with room for the others on both sides. */
    if (left < size)
        return NULL;
    text.at += offset;
    text.end -= size - 1 - offset;
    while (text.at < text.end) {
        const Byte *found = memchr(text.at, word[offset], (size_t)(text.end - text.at));
        if (!found)
            return NULL;
        if (memcmp(found - offset, word, size) == 0)
            return found - offset;
        text.at = found + 1;
    }
    return NULL;
}

const Byte *find_tag(Cursor text, const Byte *name, size_t size)
{
    while (text.at < text.end) {
        const Byte *found = memchr(text.at, '<', (size_t)(text.end - text.at));
        if (!found)
            return NULL;
        text.at = found + 1;
        if (text.at < text.end && *text.at == '/')
            text.at++;
        if ((size_t)(text.end - text.at) >= size && lower(*text.at) == *name && same_name(text.at, size, name, size))
            return found;
    }
    return NULL;
}
