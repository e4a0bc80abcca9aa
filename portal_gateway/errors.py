"""Every error the package raises on purpose.

    GatewayError
    ├── SettingsError           the configuration is wrong; lists every problem with path and line
    ├── IdentityError           an identity source could not answer (never: "nobody is signed in")
    ├── NotSignedIn             nobody is signed in                                          401
    ├── AccessDenied            the vendor said no                                           403
    ├── UnknownPortal           no portal of that name                                       404
    ├── ChoiceNeeded            several projects are open to the user and none was named     300
    ├── IncompleteIdentity      the end user lacks a field that a template of the portal needs  403
    ├── RequestRefused          the request itself cannot be taken; carries status and code  400, 403, 405, 413, 429
    ├── LinkRefused             a shared or magic link that opens nothing; carries why       410 (404: none of ours)
    ├── StateUnavailable        what must be known of one-time links cannot be looked up     503
    ├── VendorError             the vendor answered, but not in a way that can be used       502
    │   ├── VendorRefusedUs     401: our token, key or cluster is wrong                      502
    │   ├── VendorBusy          its rate limit is reached; carries `retry_after_s`           503
    │   ├── VendorUnreadable    a 200 that cannot be read: garbage, too large                502
    │   └── VendorUnavailable   no usable answer: time-out, refused connection, 5xx          503
    │       └── BreakerOpen     not even asked: it has failed too often just now             503
    └── UpstreamError           sidecar: the app behind us failed                            502
        ├── UpstreamUnavailable connection refused, reset before the head, bad framing       502
        └── UpstreamTimeout     no head in time                                              504

`message` is safe to show to a person and to log: no token, no secret, no vendor body, no personal data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class GatewayError(Exception):
    """Base of all errors. `status` is the HTTP status a portal route answers with, `code` a stable slug."""

    status = 500
    code = "gateway_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration: where (config path, line if the source is a file) and what to do."""

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.path or '(top level)'}: {self.message}"


class SettingsError(GatewayError):
    """The configuration cannot be used. `problems` holds all of them, in the order of the file."""

    code = "settings_error"

    def __init__(self, problems: Sequence[Problem], source: str = "configuration") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{source}: {count} problem{'s' if count != 1 else ''}\n{lines}")


class IdentityError(GatewayError):
    """An identity source could not answer. The chain stops: a later source must not speak for this user."""

    status = 503
    code = "identity_unavailable"


class NotSignedIn(GatewayError):
    status = 401
    code = "not_signed_in"


class AccessDenied(GatewayError):
    """The user has no access. `reason` is the slug of the decision."""

    status = 403
    code = "access_denied"

    def __init__(self, message: str, reason: str = "denied") -> None:
        super().__init__(message)
        self.reason = reason


class UnknownPortal(GatewayError):
    status = 404
    code = "unknown_portal"


class ChoiceNeeded(GatewayError):
    """Several destinations are open to the user; the request must name one of them."""

    status = 300
    code = "choice_needed"


class IncompleteIdentity(GatewayError):
    """A template needs a field that the end user does not have. `field` names it."""

    status = 403
    code = "incomplete_identity"

    def __init__(self, field: str) -> None:
        super().__init__(f"the signed-in user has no {field!r}, which this portal needs")
        self.field = field


class RequestRefused(GatewayError):
    """The request itself cannot be taken, whoever sent it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class LinkRefused(GatewayError):
    """A shared or magic link opens nothing. `reason` is a slug, `renewable` whether another may be asked for."""

    def __init__(self, reason: str, *, renewable: bool = False) -> None:
        super().__init__(f"this link cannot be used: {reason}")
        self.reason = reason
        self.renewable = renewable
        self.status = 404 if reason == "invalid" else 410
        self.code = f"link_{reason}"


class StateUnavailable(GatewayError):
    """The store that knows what became of links did not answer: nobody is let in on a guess."""

    status = 503
    code = "state_unavailable"


class VendorError(GatewayError):
    """The vendor's answer cannot be used (shape, origin, status). Never a denial."""

    status = 502
    code = "vendor_error"


class VendorRefusedUs(VendorError):
    """The vendor does not accept our own credentials (401): wrong token, key or cluster."""

    code = "vendor_refused_us"


class VendorBusy(VendorError):
    """The vendor's rate limit is reached, as it says (429) or as we count. `retry_after_s` is in seconds from now, None
    when not told."""

    status = 503
    code = "vendor_busy"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VendorUnreadable(VendorError):
    """The vendor answered 200, but with what cannot be read: a sign that it is broken."""


class VendorUnavailable(VendorError):
    """No usable answer at all: time-out, connection refused, TLS failure, 5xx.

    `sent` is False if the vendor surely has not got the call, True if it may have.
    """

    status = 503
    code = "vendor_unavailable"

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class BreakerOpen(VendorUnavailable):
    """The vendor has failed too often just now, so it was not asked."""

    code = "breaker_open"

    def __init__(self) -> None:
        super().__init__("the vendor is failing, and is left alone for a moment", sent=False)


class UpstreamError(GatewayError):
    status = 502
    code = "upstream_error"


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class MalformedRequest(GatewayError):
    """The client's request cannot be passed on without changing what it means."""

    status = 400
    code = "malformed_request"
