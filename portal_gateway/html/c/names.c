/* What kind of element a name stands for. The names are those of elements.py and of the tree rules in Python; a test
   compares them all. */

#include <string.h>

#include "tags.h"

enum { LONGEST_NAME = 14 }; /* annotation-xml */

#define IS(literal) (size == sizeof(literal) - 1 && memcmp(name, literal, sizeof(literal) - 1) == 0)

bool same_name(const Byte *a, size_t a_size, const Byte *b, size_t b_size)
{
    if (a_size != b_size)
        return false;
    if (memcmp(a, b, a_size) == 0)
        return true;
    for (size_t i = 0; i < a_size; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

static Kind kind_by_name(const Byte *name, size_t size)
{
    switch (name[0]) {
    case 'a':
        if (IS("a"))
            return LINK;
        if (IS("article") || IS("aside"))
            return BLOCK;
        if (IS("address"))
            return LOOSE_BLOCK;
        if (IS("area"))
            return VOID;
        return IS("applet") ? REFUSED : ORDINARY;
    case 'b':
        if (IS("b") || IS("big"))
            return FORMATTING;
        if (IS("br"))
            return VOID;
        if (IS("button"))
            return BUTTON;
        if (IS("blockquote"))
            return BLOCK;
        if (IS("body"))
            return BODY;
        return IS("base") || IS("basefont") || IS("bgsound") ? HEAD_VOID : ORDINARY;
    case 'c':
        if (IS("code"))
            return FORMATTING;
        if (IS("center"))
            return BLOCK;
        if (IS("col"))
            return COL;
        if (IS("colgroup"))
            return COLGROUP;
        return IS("caption") ? CAPTION : ORDINARY;
    case 'd':
        if (IS("div") || IS("dialog"))
            return LOOSE_BLOCK;
        if (IS("dd") || IS("dt"))
            return TERM;
        return IS("dl") || IS("details") || IS("dir") ? BLOCK : ORDINARY;
    case 'e':
        if (IS("em"))
            return FORMATTING;
        return IS("embed") ? VOID : ORDINARY;
    case 'f':
        if (IS("form"))
            return FORM;
        if (IS("font"))
            return FORMATTING;
        if (IS("footer") || IS("figure") || IS("figcaption") || IS("fieldset"))
            return BLOCK;
        return IS("frame") || IS("frameset") ? REFUSED : ORDINARY;
    case 'h':
        if (size == 2 && name[1] >= '1' && name[1] <= '6')
            return HEADING;
        if (IS("hr"))
            return RULE;
        if (IS("header") || IS("hgroup"))
            return BLOCK;
        if (IS("head"))
            return HEAD;
        return IS("html") ? HTML : ORDINARY;
    case 'i':
        if (IS("i"))
            return FORMATTING;
        if (IS("img") || IS("input"))
            return VOID;
        if (IS("iframe"))
            return BODY_RAW;
        return IS("image") ? REFUSED : ORDINARY;
    case 'k':
        return IS("keygen") ? VOID : ORDINARY;
    case 'l':
        if (IS("li"))
            return ITEM;
        if (IS("link"))
            return HEAD_VOID;
        return IS("listing") ? REFUSED : ORDINARY;
    case 'm':
        if (IS("main") || IS("menu"))
            return BLOCK;
        if (IS("meta"))
            return HEAD_VOID;
        if (IS("math"))
            return FOREIGN_ROOT;
        return IS("marquee") ? REFUSED : ORDINARY;
    case 'n':
        if (IS("nav"))
            return BLOCK;
        if (IS("noscript") || IS("noframes"))
            return HEAD_RAW;
        if (IS("noembed"))
            return BODY_RAW;
        return IS("nobr") ? REFUSED : ORDINARY;
    case 'o':
        if (IS("ol"))
            return BLOCK;
        if (IS("option"))
            return OPTION;
        if (IS("optgroup"))
            return OPTGROUP;
        return IS("object") ? REFUSED : ORDINARY;
    case 'p':
        if (IS("p"))
            return PARAGRAPH;
        if (IS("pre"))
            return BLOCK;
        if (IS("param"))
            return VOID;
        return IS("plaintext") ? REFUSED : ORDINARY;
    case 'r':
        return IS("rb") || IS("rp") || IS("rt") || IS("rtc") ? REFUSED : ORDINARY;
    case 's':
        if (IS("s") || IS("small") || IS("strong") || IS("strike"))
            return FORMATTING;
        if (IS("section") || IS("summary") || IS("search"))
            return BLOCK;
        if (IS("script"))
            return SCRIPT;
        if (IS("style"))
            return STYLE;
        if (IS("svg"))
            return FOREIGN_ROOT;
        if (IS("select"))
            return SELECT;
        return IS("source") ? VOID : ORDINARY;
    case 't':
        if (IS("td") || IS("th"))
            return CELL;
        if (IS("tr"))
            return ROW;
        if (IS("tt"))
            return FORMATTING;
        if (IS("table"))
            return TABLE;
        if (IS("tbody") || IS("thead") || IS("tfoot"))
            return SECTION;
        if (IS("title"))
            return TITLE;
        if (IS("textarea"))
            return BODY_RAW;
        if (IS("track"))
            return VOID;
        return IS("template") ? REFUSED : ORDINARY;
    case 'u':
        if (IS("u"))
            return FORMATTING;
        return IS("ul") ? BLOCK : ORDINARY;
    case 'w':
        return IS("wbr") ? VOID : ORDINARY;
    case 'x':
        return IS("xmp") ? REFUSED : ORDINARY;
    default:
        return ORDINARY;
    }
}

static bool is_integration_point(const Byte *name, size_t size)
{
    return IS("title") || IS("desc") || IS("foreignobject") || IS("annotation-xml") || IS("mi") || IS("mn") ||
           IS("mo") || IS("ms") || IS("mtext");
}

/* Known names break out of foreign content, apart from a few; of the unknown ones, these do. */
static bool leaves_foreign(const Byte *name, size_t size)
{
    return IS("ruby") || IS("span") || IS("sub") || IS("sup") || IS("var");
}

static size_t lowered(const Tag *tag, Byte name[LONGEST_NAME])
{
    if (tag->name_size > LONGEST_NAME)
        return 0;
    for (size_t i = 0; i < tag->name_size; i++)
        name[i] = lower(tag->name[i]);
    return tag->name_size;
}

Kind kind_of(const Tag *tag)
{
    Byte name[LONGEST_NAME];
    size_t size = lowered(tag, name);
    return size ? kind_by_name(name, size) : ORDINARY;
}

Kind foreign_kind_of(const Tag *tag)
{
    Byte name[LONGEST_NAME];
    size_t size = lowered(tag, name);
    if (!size)
        return FOREIGN;
    if (is_integration_point(name, size))
        return INTEGRATION_POINT;
    switch (kind_by_name(name, size)) {
    case ORDINARY:
        return leaves_foreign(name, size) ? REFUSED : FOREIGN;
    case LINK:
    case SCRIPT:
    case STYLE:
    case FOREIGN_ROOT:
        return FOREIGN;
    default:
        return REFUSED;
    }
}
