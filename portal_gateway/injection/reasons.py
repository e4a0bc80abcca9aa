"""What the reasons to leave a page alone mean, in words for people. docs/injection.md says more."""

from __future__ import annotations

_SENTENCES = {
    "no_rule": "the path matches none of the rule's `paths`",
    "own_path": "the path is one of the gateway's own",
    "method": "only GET and HEAD bring pages",
    "not_a_document": "the client does not ask for a document",
    "resumed": "the client goes on with a broken-off download",
    "prefetch": "the client fetches ahead of a click",
    "partial": "the client asks for a part of a page",
    "status": "only pages with status 200 are injected",
    "not_modified": "the answer has no page: the browser's own is still good",
    "already_injected": "a Portal Gateway further inside has done it already",
    "content_type": "the Content-Type is not that of an HTML page",
    "content_range": "the answer is a part of a page",
    "attachment": "the answer is a download",
    "no_transform": "Cache-Control: no-transform forbids it",
    "coding": "the page is compressed in a way that cannot be undone here",
    "broken_coding": "the page is not compressed in the way it claims",
    "charset": "the page's bytes cannot be scanned for markup in its charset",
    "csp_frame": "a Content-Security-Policy of the page would block the iframe",
    "csp_script": "a Content-Security-Policy of the page would block the loader",
    "shared_cacheable": "shared caches may keep the page, and the snippet is personal",
    "no_match": "the selector matches nothing in the page",
    "held_too_long": "the element to replace, or a tag, is longer than what may be held back",
    "tag_too_long": "a tag is longer than what may be held back",
    "outside_body": "nothing can stand beside the body",
    "in_head": "nothing visible can stand in the head",
    "in_table": "a snippet there would be moved out of the table",
    "in_select": "a list of options has no place for a snippet",
    "in_link": "a snippet there would stand inside a link",
    "no_element_content": "the element cannot have a snippet inside",
    "implied_end": "the element has no end tag of its own, and where it ends depends on what follows",
    "implied_element": "the element has no tag in the page",
    "misnested_formatting": "formatting or link tags around the place are not closed in order",
}
_OTHER = "the markup around the place is ambiguous: a snippet there could change the page"


def sentence(reason: str) -> str:
    return _SENTENCES.get(reason, _OTHER)
