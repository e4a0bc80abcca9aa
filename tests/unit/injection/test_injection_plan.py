from __future__ import annotations

from typing import Any

import pytest
from gateway_kit import BROWSER, ENVIRON, FETCH, HTML, VENDOR, Headers, http_scope, planhat, rocketlane

from portal_gateway import load_settings
from portal_gateway.injection import requests
from portal_gateway.injection.caching import is_for_caches, is_shared_cacheable, private_lines
from portal_gateway.injection.conditional import LoaderTags
from portal_gateway.injection.plan import Plan, plan_injection
from portal_gateway.injection.rules import PagePlacements, RuleSet
from portal_gateway.wire import headers as h

TAGS = LoaderTags("v1")
LOADER = {"at": "nav", "mode": "loader"}
FRAME = {"at": "nav", "as": "iframe"}
ORIGIN = "https://app.acme.com"


def page(*inject: dict[str, Any], vendor: str = "planhat", **options: Any) -> PagePlacements:
    portal = planhat if vendor == "planhat" else rocketlane
    portals = {"success": portal(*(inject or ({"at": "nav"},)), **options)}
    found = RuleSet(load_settings({"portals": portals}, environ=ENVIRON).portals, {"success": VENDOR}).pages["/"]
    assert isinstance(found, PagePlacements)
    return found


def planned(*headers: tuple[bytes, bytes], placements: PagePlacements | None = None, status: int = 200) -> Plan | str:
    return plan_injection(status, [HTML, *headers], placements or page(), lambda: ORIGIN)


def plan(*headers: tuple[bytes, bytes], placements: PagePlacements | None = None) -> Plan:
    made = planned(*headers, placements=placements)
    assert isinstance(made, Plan), made
    return made


def head(*headers: tuple[bytes, bytes], placements: PagePlacements | None = None) -> Headers:
    return plan(*headers, placements=placements).head([HTML, *headers], TAGS)


def request_refusal(scope: Any) -> str | None:
    return requests.request_refusal(scope)


def page_request_headers(headers: Headers, **options: Any) -> tuple[Headers, bool]:
    return requests.page_request_headers(headers, requests.fields_of_note(headers), TAGS, **options)


def modes(made: Plan) -> list[tuple[str, str]]:
    return [(slot.mode, slot.reason) for slot in made.slots]


def value(headers: Headers, name: bytes) -> bytes | None:
    return h.first(headers, name)


class TestRequests:
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
    def test_only_get_and_head_ask_for_pages(self, method: str) -> None:
        assert request_refusal(http_scope(method=method)) == "method"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_navigation_is_not_refused(self, method: str) -> None:
        assert request_refusal(http_scope("/", *BROWSER, method=method)) is None

    @pytest.mark.parametrize("destination", [b"document", b"iframe", b"frame", b"embed", b"object", b"Document"])
    def test_documents_of_tabs_and_frames(self, destination: bytes) -> None:
        assert request_refusal(http_scope("/", (b"sec-fetch-dest", destination))) is None

    @pytest.mark.parametrize("destination", [b"empty", b"image", b"script", b"style", b"video", b"worker", b""])
    def test_everything_else_is_no_document(self, destination: bytes) -> None:
        assert request_refusal(http_scope("/", (b"sec-fetch-dest", destination))) == "not_a_document"

    @pytest.mark.parametrize(
        ("accept", "refusal"),
        [
            (b"*/*", None),
            (b"text/html", None),
            (b"application/json, text/HTML;q=0.9", None),
            (b"application/xhtml+xml", None),
            (b"text/*", None),
            (b"", None),
            (b"application/json", "not_a_document"),
            (b"image/avif,image/webp", "not_a_document"),
            (b"text/htmlx", "not_a_document"),
        ],
    )
    def test_without_fetch_metadata_accept_decides(self, accept: bytes, refusal: str | None) -> None:
        assert request_refusal(http_scope("/", (b"accept", accept))) == refusal

    def test_a_client_that_says_nothing_may_get_a_page(self) -> None:
        assert request_refusal(http_scope()) is None

    @pytest.mark.parametrize(
        "headers",
        [
            [(b"hx-request", b"true"), (b"hx-boosted", b"true")],
            [(b"hx-request", b"true"), (b"hx-history-restore-request", b"true")],
            [(b"x-turbo-request-id", b"4c3b")],
        ],
    )
    def test_a_fetch_that_replaces_the_whole_page_is_a_document(self, headers: Headers) -> None:
        assert request_refusal(http_scope("/", *FETCH, *headers)) is None

    @pytest.mark.parametrize(
        "headers",
        [
            [(b"hx-request", b"true")],
            [(b"hx-request", b"true"), (b"hx-target", b"list")],
            [(b"turbo-frame", b"messages"), (b"x-turbo-request-id", b"4c3b")],
            [(b"x-pjax", b"true")],
            [(b"x-up-target", b"main")],
            [(b"x-requested-with", b"XMLHttpRequest")],
        ],
    )
    def test_a_part_of_a_page_is_not(self, headers: Headers) -> None:
        assert request_refusal(http_scope("/", *headers)) == "partial"
        assert request_refusal(http_scope("/", *FETCH, *headers)) in ("partial", "not_a_document")

    @pytest.mark.parametrize("name", [b"sec-purpose", b"purpose", b"x-moz"])
    def test_a_prefetch_is_left_alone(self, name: bytes) -> None:
        assert request_refusal(http_scope("/", *BROWSER, (name, b"prefetch"))) == "prefetch"

    @pytest.mark.parametrize("destination", [None, b"document", b"empty", b"image", b"Document"])
    @pytest.mark.parametrize("accept", [None, b"text/html", b"application/json", b"*/*", b""])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_usual_requests_are_judged_like_unusual_ones(
        self, method: str, accept: bytes | None, destination: bytes | None
    ) -> None:
        named = ((b"accept", accept), (b"sec-fetch-dest", destination))
        headers = [(name, value) for name, value in named if value is not None]
        # Without a Range this is nothing to judge by, but makes the request an unusual one.
        unusual = [*headers, (b"if-range", b'"1"')]
        refused = request_refusal(http_scope("/", *headers, method=method))
        assert refused == request_refusal(http_scope("/", *unusual, method=method))

    def test_of_two_destinations_the_first_counts(self) -> None:
        for first, refusal in ((b"document", None), (b"empty", "not_a_document")):
            second = b"empty" if first == b"document" else b"document"
            headers = ((b"sec-fetch-dest", first), (b"sec-fetch-dest", second))
            assert request_refusal(http_scope("/", *headers)) == refusal

    def test_headers_may_come_as_lists(self) -> None:
        for more in ([], [[b"cookie", b"a"], [b"cookie", b"b"]]):
            headers = [[b"accept", b"application/json"], *more]
            assert request_refusal({"method": "GET", "headers": headers}) == "not_a_document"


class TestRequestHeaders:
    def test_codings_are_reduced_to_those_we_decode(self) -> None:
        headers = [(b"accept-encoding", b"dcb, gzip;q=0.8, compress"), (b"accept-encoding", b"zstd, deflate, *")]
        assert page_request_headers(headers)[0] == [(b"accept-encoding", b"gzip;q=0.8, zstd, deflate")]

    @pytest.mark.parametrize("headers", [[], [(b"accept-encoding", b"gzip, br")]])
    def test_none_is_asked_for_by_who_compresses_anyway(self, headers: list[tuple[bytes, bytes]]) -> None:
        asked, _ = page_request_headers(headers, uncompressed=True)
        assert asked == [(b"accept-encoding", b"identity")]

    @pytest.mark.parametrize("codings", [b"dcb", b"dcb, compress", b"*"])
    def test_identity_remains_if_none_does(self, codings: bytes) -> None:
        assert page_request_headers([(b"accept-encoding", codings)])[0] == [(b"accept-encoding", b"identity")]

    def test_ranges_and_foreign_validators_go_and_the_rest_stays(self) -> None:
        headers = [
            (b"range", b"bytes=0-1"),
            (b"host", b"a"),
            (b"if-range", b'"x"'),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
        ]
        kept, revalidates = page_request_headers(headers)
        assert kept == [(b"host", b"a"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
        assert not revalidates

    def test_nothing_changes_where_nothing_has_to(self) -> None:
        headers = [(b"host", b"a"), (b"accept-encoding", b"gzip, deflate, br;q=0.5"), (b"x", b"y")]
        assert page_request_headers(headers)[0] is headers


class TestResponses:
    @pytest.mark.parametrize(
        ("status", "headers", "reason"),
        [
            (304, [], "not_modified"),
            (206, [HTML], "status"),
            (404, [HTML], "status"),
            (500, [HTML], "status"),
            (200, [HTML, (b"x-portal-gateway", b"loader")], "already_injected"),
            (200, [], "content_type"),
            (200, [(b"content-type", b"application/json")], "content_type"),
            (200, [(b"content-type", b"text/html-fragment")], "content_type"),
            (200, [HTML, (b"content-range", b"bytes 0-1/2")], "content_range"),
            (200, [HTML, (b"content-disposition", b'Attachment; filename="a.html"')], "attachment"),
            (200, [HTML, (b"cache-control", b"max-age=1, No-Transform")], "no_transform"),
            (200, [HTML, (b"content-encoding", b"dcb")], "coding"),
            (200, [HTML, (b"content-encoding", b"gzip, compress")], "coding"),
            (200, [HTML, (b"content-encoding", b"gzip, gzip"), (b"content-encoding", b"gzip, gzip")], "coding"),
            (200, [(b"content-type", b"text/html; charset=utf-16")], "charset"),
            (200, [(b"content-type", b"text/html; charset=made-up")], "charset"),
        ],
    )
    def test_what_is_left_alone_has_a_name(self, status: int, headers: Headers, reason: str) -> None:
        assert plan_injection(status, headers, page(), lambda: ORIGIN) == reason

    @pytest.mark.parametrize(
        "content_type",
        [b"text/html", b"TEXT/HTML ; charset=ISO-8859-1", b"application/xhtml+xml", b'text/html; charset="UTF-8"'],
    )
    def test_pages(self, content_type: bytes) -> None:
        made = plan_injection(200, [(b"Content-Type", content_type)], page(), lambda: ORIGIN)
        assert isinstance(made, Plan)

    @pytest.mark.parametrize(("coding", "named"), [([], b"identity"), ([(b"content-encoding", b"GZip")], b"gzip")])
    def test_the_coding_is_planned(self, coding: Headers, named: bytes) -> None:
        assert plan(*coding).coding == named

    def test_of_two_content_types_both_have_to_be_of_a_page(self) -> None:
        other = (b"content-type", b"text/plain")
        assert plan_injection(200, [HTML, other], page(), lambda: ORIGIN) == "content_type"
        assert plan_injection(200, [other, HTML], page(), lambda: ORIGIN) == "content_type"

    def test_nobody_asks_for_the_origin_where_no_policy_needs_it(self) -> None:
        def unasked() -> str:
            raise AssertionError("asked")

        assert isinstance(plan_injection(200, [HTML], page(), unasked), Plan)
        assert plan_injection(200, [(b"content-type", b"text/plain")], page(), unasked) == "content_type"

    def test_an_inline_disposition_is_a_page(self) -> None:
        assert isinstance(planned((b"content-disposition", b"inline")), Plan)


class TestHeads:
    def test_a_decided_page_is_private_varies_and_has_no_validators(self) -> None:
        app = [
            (b"etag", b'"a"'),
            (b"last-modified", b"x"),
            (b"vary", b"Accept-Language"),
            (b"cache-control", b"max-age=60"),
        ]
        assert plan(*app).is_decided
        made = head(*app)
        assert value(made, b"etag") is None
        assert value(made, b"last-modified") is None
        assert value(made, b"vary") == b"Accept-Language, Cookie, Authorization"
        assert value(made, b"cache-control") == b"private, max-age=60"
        assert value(made, b"x-portal-gateway") == b"decided"

    def test_a_loader_page_keeps_its_caching_and_its_tag_in_our_form(self) -> None:
        app = [(b"cache-control", b"public, max-age=60"), (b"etag", b'"a"'), (b"vary", b"Accept")]
        assert not plan(*app).is_decided
        assert modes(plan(*app)) == [("loader", "")]
        made = head(*app)
        assert value(made, b"cache-control") == b"public, max-age=60"
        assert value(made, b"etag") == b'W/"a;pg=v1s"'
        assert value(made, b"vary") == b"Accept"

    def test_facts_about_the_apps_bytes_go(self) -> None:
        facts = [b"Content-Length", b"content-md5", b"digest", b"content-digest", b"repr-digest", b"accept-ranges"]
        made = head(*((name, b"1") for name in facts))
        assert not {name.lower() for name, _ in made} & {name.lower() for name in facts}

    def test_repeated_cookies_and_everything_else_survive_in_order(self) -> None:
        cookies = [(b"set-cookie", b"a=1; Path=/"), (b"X-Odd", b"\xff"), (b"set-cookie", b"b=2")]
        assert [pair for pair in head(*cookies) if pair in cookies] == cookies

    def test_an_inline_signed_page_is_not_stored_at_all(self) -> None:
        made = head(
            (b"cache-control", b"max-age=60"), placements=page({"at": "nav", "sign": "inline"}, vendor="rocketlane")
        )
        assert value(made, b"cache-control") == b"no-store"
        assert b"Cookie" in (value(made, b"vary") or b"")


@pytest.mark.parametrize(
    ("headers", "shared"),
    [
        ([], False),
        ([(b"cache-control", b"max-age=60")], False),
        ([(b"cache-control", b"Public, max-age=60")], True),
        ([(b"cache-control", b"max-age=0"), (b"Cache-Control", b"S-MaxAge=9")], True),
        ([(b"cache-control", b"public, private")], False),
        ([(b"cache-control", b"no-store, s-maxage=9")], False),
        ([(b"surrogate-control", b"max-age=9")], True),
        ([(b"cache-control", b"no-store"), (b"cdn-cache-control", b"max-age=9")], True),
        ([(b"cache-control", b"private"), (b"X-Accel-Expires", b"60")], True),
        ([(b"vercel-cdn-cache-control", b"max-age=9")], True),
        ([(b"cache-control", b"public"), (b"cdn-cache-control", b"no-store")], False),
        ([(b"x-accel-expires", b"0")], False),
        ([(b"surrogate-control", b"max-age=0, private")], False),
    ],
)
def test_which_pages_shared_caches_may_keep(headers: Headers, shared: bool) -> None:
    assert is_shared_cacheable(headers) is shared


@pytest.mark.parametrize(
    ("cache_control", "private"),
    [
        ([], b"private"),
        ([b"no-cache"], b"private, no-cache"),
        ([b"public, s-maxage=9 , max-age=3"], b"private, max-age=3"),
        ([b"private", b"no-store, proxy-revalidate"], b"private, no-store"),
        ([b'private="set-cookie, x", max-age=3, no-cache="a, b"'], b'private, max-age=3, no-cache="a, b"'),
        ([b'private="unclosed, max-age=3'], b"private"),
    ],
)
def test_private_lines_keep_what_a_browser_may_do(cache_control: list[bytes], private: bytes) -> None:
    headers = [(b"cache-control", line) for line in cache_control]
    assert h.values(private_lines(headers), b"cache-control") == [private]


def test_a_private_head_drops_what_shared_caches_would_obey() -> None:
    names = [b"surrogate-control", b"CDN-Cache-Control", b"x-accel-expires", b"edge-control", b"etag", b"last-modified"]
    assert all(is_for_caches(name.lower()) for name in names)
    placements = page({"at": "nav", "mode": "decided"})
    kept = head(*((name, b"max-age=9") for name in names), placements=placements)
    assert [name for name, _ in kept] == [b"content-type", b"vary", b"cache-control", b"x-portal-gateway"]


class TestModes:
    PUBLIC = (b"cache-control", b"public")

    def test_auto_decides_unless_shared_caches_may_keep_the_page(self) -> None:
        assert modes(plan()) == [("decided", "")]
        assert modes(plan(self.PUBLIC)) == [("loader", "")]

    @pytest.mark.parametrize("mode", ["decided", "loader"])
    def test_a_rule_may_choose(self, mode: str) -> None:
        placements = page({"at": "nav", "mode": mode})
        assert modes(plan(placements=placements)) == [(mode, "")]
        assert modes(plan(self.PUBLIC, placements=placements)) == [(mode, "")]

    def test_a_decided_rule_makes_a_public_page_private(self) -> None:
        made = head(self.PUBLIC, placements=page({"at": "nav", "mode": "decided"}))
        assert value(made, b"cache-control") == b"private"

    @pytest.mark.parametrize("rule", [{"template": "<b></b>"}, {"sign": "inline"}])
    def test_what_is_personal_does_not_go_into_a_shared_page(self, rule: dict[str, Any]) -> None:
        assert planned(self.PUBLIC, placements=page({"at": "nav", **rule}, vendor="rocketlane")) == "shared_cacheable"

    def test_one_decided_slot_makes_the_whole_page_private(self) -> None:
        app = [self.PUBLIC, (b"etag", b'"a"')]
        placements = page({"at": "nav"}, {"at": "p", "mode": "decided"})
        assert modes(plan(*app, placements=placements)) == [("loader", ""), ("decided", "")]
        made = head(*app, placements=placements)
        assert value(made, b"cache-control") == b"private"
        assert value(made, b"etag") is None


def csp(policy: bytes) -> tuple[bytes, bytes]:
    return (b"content-security-policy", policy)


class TestContentSecurityPolicy:
    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            (b"script-src 'self'", ("loader", None)),
            (b"default-src https://app.acme.com", ("loader", None)),
            (b"script-src 'nonce-abc123'", ("loader", "abc123")),
            (b"script-src 'strict-dynamic' 'nonce-abc123'", ("loader", "abc123")),
            (b"script-src 'nonce-abc123', script-src 'self'", ("loader", "abc123")),
            (b"script-src 'nonce-abc123', script-src https://app.acme.com", ("loader", "abc123")),
            (b"style-src 'none'", ("loader", None)),
            (b"script-src 'none'", "csp_script"),
            (b"script-src 'unsafe-inline' https://cdn.example", "csp_script"),
            (b"script-src 'self', script-src 'none'", "csp_script"),
            (b"script-src 'nonce-a', script-src 'nonce-b'", "csp_script"),
            (b"sandbox", "csp_script"),
        ],
    )
    def test_whether_the_loader_may_run(self, policy: bytes, expected: Any) -> None:
        made = planned(csp(policy), placements=page(LOADER))
        if isinstance(made, Plan):
            assert (made.slots[0].mode, made.nonce) == expected
            assert csp(policy) in made.head([HTML, csp(policy)], TAGS)
        else:
            assert made == expected

    def test_a_decided_link_needs_no_script(self) -> None:
        made = plan(csp(b"script-src 'none'"))
        assert modes(made) == [("decided", "")]
        assert not made.loader_allowed

    def test_policies_of_all_lines_count_and_report_only_ones_do_not(self) -> None:
        report_only = (b"content-security-policy-report-only", b"script-src 'none'")
        assert isinstance(planned(report_only, placements=page(LOADER)), Plan)
        lines = [csp(b"script-src 'self'"), csp(b"script-src 'none'")]
        assert planned(*lines, placements=page(LOADER)) == "csp_script"

    @pytest.mark.parametrize(
        ("policy", "blocked"),
        [
            (b"frame-src 'self' https://vendor.example", False),
            (b"child-src 'self' https://*.example", False),
            (b"frame-src https://vendor.example", True),  # our own embed route comes first
            (b"frame-src 'self'", True),
            (b"default-src 'self'", True),
            (b"script-src 'self'", False),
        ],
    )
    def test_an_iframe_that_would_stay_empty_is_left_out(self, policy: bytes, blocked: bool) -> None:
        made = planned(csp(policy), placements=page(FRAME))
        assert (made == "csp_frame") is blocked

    def test_extend_adds_the_vendor_to_the_policy(self) -> None:
        made = head(csp(b"default-src 'self'; img-src *"), placements=page(FRAME, csp="extend"))
        policy = value(made, b"content-security-policy")
        assert policy == b"default-src 'self'; img-src *; frame-src 'self' https://vendor.example"

    def test_extend_leaves_a_page_alone_that_gets_no_iframe(self) -> None:
        policy = csp(b"default-src 'self'")
        assert policy in head(policy, placements=page(csp="extend"))

    def test_a_blocked_iframe_does_not_keep_a_link_out(self) -> None:
        made = plan(csp(b"frame-src 'none'"), placements=page(FRAME, {"at": "nav"}))
        assert modes(made) == [("empty", "csp_frame"), ("decided", "")]

    @pytest.mark.parametrize("origin", ["", "https://app.acme.com:8443"])
    def test_an_origin_that_is_unknown_or_another_does_not_break_the_plan(self, origin: str) -> None:
        headers = [HTML, csp(b"script-src https://app.acme.com; frame-src 'self'")]
        assert plan_injection(200, headers, page(LOADER), lambda: origin) == "csp_script"


def test_a_resumed_download_is_left_to_the_app() -> None:
    headers = [(b"accept", b"text/html"), (b"range", b"bytes=100-"), (b"if-range", b'"v1"')]
    assert request_refusal({"method": "GET", "headers": headers}) == "resumed"
    assert request_refusal({"method": "GET", "headers": headers[:2]}) is None
