from __future__ import annotations

import pytest

from portal_gateway.injection.conditional import LoaderTags

TAGS = LoaderTags("v1")


@pytest.mark.parametrize(
    ("etag", "suffixed"),
    [
        (b'"abc"', b'W/"abc;pg=v1s"'),
        (b'W/"abc"', b'W/"abc;pg=v1w"'),
        (b'""', b'W/";pg=v1s"'),
        (b' "abc" ', b'W/"abc;pg=v1s"'),
        (b'"a,b;c"', b'W/"a,b;c;pg=v1s"'),
        (b"abc", None),
        (b'"abc', None),
        (b'w/"abc"', None),
        (b"", None),
    ],
)
def test_a_well_formed_tag_is_weakened_and_suffixed(etag: bytes, suffixed: bytes | None) -> None:
    assert TAGS.add(etag) == suffixed


@pytest.mark.parametrize("etag", [b'"abc"', b'W/"abc"', b'""', b'"a,b"', b'W/"x;pg=v1s"', b'"\xe9"'])
def test_the_app_recognises_its_own_tag_when_it_comes_back(etag: bytes) -> None:
    suffixed = TAGS.add(etag)
    assert suffixed is not None
    assert TAGS.remove(suffixed) == etag


@pytest.mark.parametrize(
    "if_none_match",
    [
        b'"abc"',
        b'W/"abc"',
        b"*",
        b'W/"abc;pg=v0s"',
        b'W/"abc;pg=v1x"',
        b"",
        b"garbage",
        b'W/"abc;pg=v1s',
    ],
)
def test_tags_of_others_and_of_other_versions_are_withheld(if_none_match: bytes) -> None:
    assert TAGS.remove(if_none_match) == b""


def test_of_several_tags_only_our_own_remain() -> None:
    assert TAGS.remove(b'"x", W/"a;pg=v1s", W/"b;pg=v2s" ,W/"c;pg=v1w"') == b'"a", W/"c"'


def test_a_request_without_validators_keeps_its_very_list() -> None:
    headers = [(b"host", b"a"), (b"accept", b"*/*")]
    kept, revalidates = TAGS.request_headers(headers)
    assert kept is headers
    assert not revalidates


@pytest.mark.parametrize(
    "validator",
    [b"if-none-match", b"if-modified-since", b"if-range", b"if-match", b"if-unmodified-since"],
)
def test_every_validator_that_is_not_ours_is_withheld(validator: bytes) -> None:
    headers = [(b"host", b"a"), (validator, b'"abc"')]
    assert TAGS.request_headers(headers) == ([(b"host", b"a")], False)


def test_our_own_tag_goes_on_as_the_apps_and_alone() -> None:
    headers = [
        (b"if-none-match", b'"foreign"'),
        (b"host", b"a"),
        (b"if-none-match", b'W/"abc;pg=v1s"'),
        (b"if-modified-since", b"Sat, 01 Jan 2000 00:00:00 GMT"),
    ]
    assert TAGS.request_headers(headers) == ([(b"host", b"a"), (b"if-none-match", b'"abc"')], True)


def test_a_response_has_the_suffixed_tag_and_no_date() -> None:
    headers = [(b"ETag", b'"abc"'), (b"Last-Modified", b"x"), (b"server", b"s")]
    assert TAGS.response_headers(headers) == [(b"server", b"s"), (b"etag", b'W/"abc;pg=v1s"')]


def test_a_response_with_a_malformed_tag_or_none_has_none() -> None:
    assert TAGS.response_headers([(b"etag", b"abc")]) == []
    assert TAGS.response_headers([(b"last-modified", b"x")]) == []
