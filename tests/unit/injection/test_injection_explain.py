from __future__ import annotations

import ast
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway_kit import BROWSER, HTML, PAGE, VENDOR, PageApp, ask, http_scope, settings, wrapped
from gateway_kit import ScriptedProvider as Provider

from portal_gateway import injection
from portal_gateway.injection.explain import Answer, Verdict, explain, lands, place_at
from portal_gateway.injection.reasons import _OTHER, sentence

OWN = "https://app.acme.com"
NAV = {"at": "nav", "position": "append"}
MAIN_FRAME = {"at": "main", "as": "iframe"}

Make = Callable[..., Any]


def verdicts(
    parts: Any, *headers: tuple[bytes, bytes], body: bytes = PAGE, status: int = 200, path: str = "/"
) -> list[Verdict]:
    gateway = parts.gateway
    answer = Answer(status, [HTML, *headers], body)
    return explain(gateway.rules, http_scope(path, *BROWSER), answer, OWN)


class TestPlaces:
    def test_offset_line_column_and_markup(self, parts: Make) -> None:
        body = "<!doctype html>\n<body>\n  ä<nav><a>b\n</a></nav>".encode()
        [verdict] = verdicts(parts({"at": "nav", "position": "prepend"}), body=body)
        [place] = verdict.places
        assert place.offset == body.index(b"<a>")
        assert (place.line, place.column) == (3, len("  ä<nav>") + 1)
        assert place.before.endswith("<body> ä<nav>")
        assert place.after == "<a>b </a></nav>"
        assert verdict.reason == ""

    def test_every_match(self, parts: Make) -> None:
        [verdict] = verdicts(parts({"at": "li", "all": True}), body=b"<body><ul><li>a</li><li>b</li></ul>")
        assert [place.offset for place in verdict.places] == [15, 25]

    def test_an_element_to_replace_is_one_place(self, parts: Make) -> None:
        [verdict] = verdicts(parts({"at": "main", "position": "replace"}))
        assert [place.offset for place in verdict.places] == [PAGE.index(b"<main>")]

    def test_in_a_page_with_a_coding(self, parts: Make) -> None:
        [verdict] = verdicts(parts(NAV), (b"content-encoding", b"gzip"), body=gzip.compress(PAGE))
        assert [place.offset for place in verdict.places] == [PAGE.index(b"</nav>")]

    def test_context_is_short_and_printable(self) -> None:
        place = place_at(b"\xe4\xff\x1b[31m" + b"a" * 500, 5)
        assert len(place.after) == 48
        assert (place.before + place.after).isprintable()

    @pytest.mark.parametrize(
        "rules",
        [
            pytest.param([NAV], id="one"),
            pytest.param([NAV, {"at": "body"}, {"at": "main", "position": "before"}], id="several"),
        ],
    )
    async def test_they_are_where_the_middleware_puts_the_snippet(
        self, parts: Make, rules: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        places = [place.offset for verdict in verdicts(parts(*rules)) for place in verdict.places]
        gateway = wrapped(PageApp(), settings(*rules), {"success": Provider()}, monkeypatch)
        body = (await ask(gateway, "/", *BROWSER, user="jane")).body
        snippet = body[places[0] : body.index(b"</a>") + 4]
        expected = PAGE
        for offset in sorted(places, reverse=True):
            expected = expected[:offset] + snippet + expected[offset:]
        assert body == expected
        await gateway.gateway.aclose()


class TestModes:
    @pytest.mark.parametrize(
        ("rule", "headers", "mode", "cause"),
        [
            pytest.param({}, [], "decided", "no shared cache may keep the page", id="auto-private"),
            pytest.param(
                {}, [(b"cache-control", b"public")], "loader", "shared caches may keep the page", id="auto-shared"
            ),
            pytest.param({"mode": "loader"}, [], "loader", "the rule says so", id="loader"),
            pytest.param(
                {"mode": "decided"}, [(b"cache-control", b"public")], "decided", "the rule says so", id="decided"
            ),
        ],
    )
    def test_mode_and_its_cause(
        self, parts: Make, rule: dict[str, Any], headers: list[tuple[bytes, bytes]], mode: str, cause: str
    ) -> None:
        [verdict] = verdicts(parts({**NAV, **rule}), *headers)
        assert (verdict.mode, verdict.cause) == (mode, cause)


class TestReasons:
    @pytest.mark.parametrize(
        ("rule", "options", "reason"),
        [
            pytest.param({"paths": ["/other"]}, {}, "no_rule", id="another-path"),
            pytest.param({}, {"path": "/portal/success"}, "own_path", id="the-gateways-own-path"),
            pytest.param({}, {"status": 404}, "status", id="status"),
            pytest.param({"at": "aside"}, {}, "no_match", id="no-match"),
            pytest.param({"at": "head"}, {}, "in_head", id="a-place-that-cannot-be"),
            pytest.param({}, {"headers": [(b"x-portal-gateway", b"loader")]}, "already_injected", id="twice"),
            pytest.param({}, {"headers": [(b"content-encoding", b"gzip")]}, "broken_coding", id="not-gzip-at-all"),
            pytest.param({}, {"headers": [(b"content-encoding", b"compress")]}, "coding", id="coding"),
            pytest.param({"template": "x"}, {"headers": [(b"cache-control", b"public")]}, "shared_cacheable", id="own"),
            pytest.param(
                {"mode": "loader"},
                {"headers": [(b"content-security-policy", b"script-src 'none'")]},
                "csp_script",
                id="policy-of-the-header",
            ),
            pytest.param(
                {"mode": "loader"},
                {"body": b"<meta http-equiv=Content-Security-Policy content=script-src><body><nav></nav>"},
                "csp_script",
                id="policy-of-the-page",
            ),
        ],
    )
    def test_named_as_the_middleware_names_it(
        self, parts: Make, rule: dict[str, Any], options: dict[str, Any], reason: str
    ) -> None:
        headers = options.pop("headers", ())
        [verdict] = verdicts(parts({**NAV, **rule}), *headers, **options)
        assert (verdict.reason, verdict.places, verdict.mode) == (reason, (), "")
        assert sentence(reason) != _OTHER

    def test_of_the_request(self, parts: Make) -> None:
        gateway = parts(NAV).gateway
        scope = http_scope("/", *BROWSER, (b"hx-request", b"true"))
        [verdict] = explain(gateway.rules, scope, Answer(200, [HTML], PAGE), OWN)
        assert verdict.reason == "partial"

    def test_each_rule_has_its_own(self, parts: Make) -> None:
        made = parts(NAV, {"at": "main", "mode": "loader"}, onboarding=(MAIN_FRAME, {"at": "main", "paths": ["/no"]}))
        policy = (b"content-security-policy", b"default-src 'none'")
        found = verdicts(made, policy)
        assert [(v.placement.portal, v.reason) for v in found] == [
            ("success", ""),
            ("success", "csp_script"),
            ("onboarding", "csp_frame"),
            ("onboarding", "no_rule"),
        ]
        assert lands(found)
        assert not lands(found[1:])

    def test_two_rules_that_say_the_same_on_other_paths(self, parts: Make) -> None:
        found = verdicts(parts({**NAV, "paths": ["/"]}, {**NAV, "paths": ["/a"]}))
        assert [v.reason for v in found] == ["", "no_rule"]

    def test_the_policy_of_the_page_cannot_be_extended(self, parts: Make) -> None:
        body = f"<meta http-equiv=Content-Security-Policy content='frame-src {VENDOR}'><main></main>".encode()
        [verdict] = verdicts(parts(onboarding=(MAIN_FRAME,)), body=body)
        assert verdict.reason == "csp_frame"  # our own embed route is not in it

    def test_each_reason_of_a_plan_has_a_sentence(self) -> None:
        room = Path(str(injection.__file__)).parent
        source = "".join((room / name).read_text().partition("annotations\n")[2] for name in ("plan.py", "requests.py"))
        constants = [
            node.value.value
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Return)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ]
        assert len(constants) > 10
        assert [reason for reason in constants if sentence(reason) == _OTHER] == []

    def test_what_the_markup_does_not_allow_has_one_too(self) -> None:
        assert "ambiguous" in sentence("repeated_body")
