/* The first place of some bytes in others. */

#ifndef PORTAL_GATEWAY_FIND_H
#define PORTAL_GATEWAY_FIND_H

#include "tags.h"

/* NULL if `word`, which is not empty, does not stand in what is left of `text`. */
const Byte *find(Cursor text, const Byte *word, size_t size);

/* The same for the beginning of a tag, `<name` or `</name` in any case. `name` is in lower case. */
const Byte *find_tag(Cursor text, const Byte *name, size_t size);

#endif
