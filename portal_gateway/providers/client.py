"""Calls to a vendor's API. The only module that imports httpx for them: 90 ms that no page has to wait for.

Rules of this file
- A call ends within `timeout_s`, whatever the vendor does, and reads at most `max_bytes`.
- Nothing is followed, kept or guessed: no redirects, cookies, proxy variables, retries or content codings. The
  transport is used without httpx's client, which logs every URL, and URLs hold ids and e-mail addresses.
- 401, 429 and 5xx are trouble between us and the vendor, never an answer about a user: they raise.
- No error says more than the status: no URL, header, token or body of the vendor.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from portal_gateway._version import __version__
from portal_gateway.errors import VendorBusy, VendorError, VendorRefusedUs, VendorUnavailable, VendorUnreadable
from portal_gateway.observe.spans import Call, call_span
from portal_gateway.providers.alerts import Alerts
from portal_gateway.providers.refusals import Refusals
from portal_gateway.providers.retry_after import retry_after_s

CONNECT_TIMEOUT_S = 3.0
# Planhat allows bursts of 50 parallel calls to the whole tenant, which other integrations share.
MAX_CONNECTIONS = 20
KEEPALIVE_S = 15.0


@dataclass(frozen=True, slots=True)
class VendorAnswer:
    """A complete answer. `content_type` has no parameters; header names are lower case."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class VendorClient:
    """Calls one vendor for one portal, with a bounded pool of connections opened on first use."""

    def __init__(
        self,
        base_url: str,
        credentials: Mapping[str, str],
        alerts: Alerts,
        *,
        timeout_s: float,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`credentials` are headers sent with every call; `clock` tells epoch seconds."""
        self._base_url = base_url
        self._alerts = alerts
        self._refusals = Refusals(alerts)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._headers = {
            "Accept": "application/json, text/plain",
            "Accept-Encoding": "identity",
            "User-Agent": f"portal-gateway/{__version__}",
            **credentials,
        }
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._timeouts = {"connect": connect_s, "read": timeout_s, "write": timeout_s, "pool": timeout_s}

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> VendorAnswer:
        """The vendor's answer to one call. `path` starts with "/" and is already percent-encoded.

        Raises VendorUnavailable, VendorRefusedUs (401), VendorBusy (429), VendorError.
        """
        request = self._request(method, path, params, headers, json)
        with call_span(method, self._base_url) as call:
            answer = await self._answer(request, call)
        self._alerts.called("answered")
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        json: Any,
    ) -> httpx.Request:
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        sent_headers = {**self._headers, **(headers or {})}
        content = None
        if json is not None:
            content = jsonlib.dumps(json).encode()
            sent_headers["Content-Type"] = "application/json"
        try:
            return httpx.Request(
                method,
                f"{self._base_url}{path}{query}",
                headers=sent_headers,
                content=content,
                extensions={"timeout": self._timeouts},
            )
        except (httpx.InvalidURL, ValueError):
            raise VendorError(_UNSENDABLE) from None

    async def _answer(self, request: httpx.Request, call: Call) -> VendorAnswer:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(request, call)
        except TimeoutError:
            self._alerts.called(VendorUnavailable.code)
            raise VendorUnavailable(f"the vendor did not answer within {self._timeout_s:g} s") from None
        except VendorError as error:
            self._alerts.called(error.code)
            raise

    async def _exchange(self, request: httpx.Request, call: Call) -> VendorAnswer:
        try:
            response = await self._opened().handle_async_request(request)
            call.status = response.status_code
            try:
                self._check_status(response.status_code, response.headers)
                return await self._read(response)
            finally:
                await response.aclose()
        except httpx.LocalProtocolError:
            raise VendorError(_UNSENDABLE) from None
        except httpx.TransportError as error:
            sent = not isinstance(error, _NEVER_SENT)
            raise VendorUnavailable(f"the vendor cannot be reached ({type(error).__name__})", sent=sent) from None

    def _opened(self) -> httpx.AsyncHTTPTransport:
        if self._transport is None:
            limits = httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
                keepalive_expiry=KEEPALIVE_S,
            )
            self._transport = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
        return self._transport

    def _check_status(self, status: int, headers: Mapping[str, str]) -> None:
        """Raises for what says nothing about a user. The body is not read: it may be anything."""
        if status == 401:
            message = "the vendor does not accept our credentials (401): wrong token, key or cluster"
            self._alerts.raised("vendor_refused_us", message, logging.ERROR)
            raise VendorRefusedUs(message)
        if status == 429:
            wait_s = retry_after_s(headers, self._clock())
            raise VendorBusy("the vendor's rate limit is reached (429)", wait_s)
        if status >= 500:
            raise VendorUnavailable(f"the vendor has trouble of its own ({status})")
        self._alerts.cleared("vendor_refused_us")
        self._refusals.saw(status)

    async def _read(self, response: httpx.Response) -> VendorAnswer:
        # A coding we did not ask for could unpack to a thousand times its size.
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise VendorUnreadable("the vendor's answer has a content coding that was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise VendorUnreadable(f"the vendor's answer is larger than {self._max_bytes} bytes")
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return VendorAnswer(response.status_code, content_type, bytes(body), dict(response.headers))


# No connection, so no call: a broken one that was kept alive is another matter.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_UNSENDABLE = "the vendor cannot be asked: the token or the user's id has characters that HTTP does not allow"
