"""The element names that the HTML tree construction rules treat apart (HTML 13.2.4 to 13.2.6)."""

from __future__ import annotations


def _names(text: str) -> frozenset[bytes]:
    return frozenset(text.encode().split())


HEADINGS = _names("h1 h2 h3 h4 h5 h6")
TABLE_SECTIONS = _names("tbody tfoot thead")
CELLS = _names("td th")
TABLE_PARTS = _names("caption col colgroup tbody td tfoot th thead tr")

# 13.2.4.2 The stack of open elements: "special".
SPECIAL = HEADINGS | _names(
    "address applet area article aside base basefont bgsound blockquote body br button caption center col "
    "colgroup dd details dir div dl dt embed fieldset figcaption figure footer form frame frameset head header "
    "hgroup hr html iframe img input keygen li link listing main marquee menu meta nav noembed noframes "
    "noscript object ol p param plaintext pre script search section select source style summary table tbody td "
    "template textarea tfoot th thead title tr track ul wbr xmp"
)
FORMATTING = _names("a b big code em font i nobr s small strike strong tt u")

# 13.2.4.2: what ends the search of "has an element in ... scope".
SCOPE = _names("applet caption html marquee object table td template th")
BUTTON_SCOPE = SCOPE | {b"button"}
LIST_SCOPE = SCOPE | _names("ol ul")
TABLE_SCOPE = _names("html table template")

# 13.2.6.3 Closing elements that have implied end tags.
IMPLIED_END = _names("dd dt li optgroup option p rb rp rt rtc")

# 13.2.6.4.7 "in body": start tags that close a p and open a block; their end tags close by name.
BLOCKS = _names(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header "
    "hgroup main menu nav ol p search section summary ul"
)
CLOSED_BY_NAME = (BLOCKS - {b"p"}) | _names("button listing pre")
HEAD_VOIDS = _names("base basefont bgsound link meta")
HEAD_CONTENT = HEAD_VOIDS | _names("noframes script style template title")
INLINE_VOIDS = _names("area br embed img input keygen wbr")
MARKED = _names("applet marquee object")
# 13.2.4.3: what sets a marker in the list of active formatting elements when it opens.
SETS_MARKER = MARKED | CELLS | _names("caption template")

# End tags that do more than close an element of their name.
CLOSED_WITH_MORE = TABLE_PARTS | MARKED | _names("body br form html select table template")

# How the tokenizer reads on after these start tags (13.2.6.2, 13.2.6.4.7; scripting is on).
RAW_TEXT = _names("iframe noembed noframes noscript style textarea title xmp")

# 13.2.6.5: start tags that leave foreign content.
FOREIGN_BREAKOUTS = HEADINGS | _names(
    "b big blockquote body br center code dd div dl dt em embed head hr i img li listing menu meta nobr ol p "
    "pre ruby s small span strike strong sub sup table tt u ul var"
)
# 13.2.6: elements in which HTML rules apply again, by the root they stand in.
INTEGRATION_POINTS = {
    b"svg": _names("desc foreignobject title"),
    b"math": _names("annotation-xml mi mn mo ms mtext"),
}
