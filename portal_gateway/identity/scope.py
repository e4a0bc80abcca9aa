"""The wrapped app's own session and authentication middleware as the source of identity."""

from __future__ import annotations

import inspect
import logging

from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.fields import user_from
from portal_gateway.identity.subrequest import Subrequest, carried_headers
from portal_gateway.models import EndUser
from portal_gateway.settings.identity import ScopeIdentity
from portal_gateway.wire.asgi import Scope

logger = logging.getLogger("portal_gateway.identity")

PROBE_TIMEOUT_S = 2.0
_MISSING = object()


class ScopeSource:
    """Reads scope["user"] and scope["session"].

    The app's middleware fills them when the app runs, so they are there for a page by the time of its
    response. Our own routes never reach the app: with `probe`, the app is sent a GET for `probe_path`, which
    it need not know, and what its middleware has put into the scope of that request is read. The response is
    thrown away.
    """

    name = "scope"

    def __init__(self, settings: ScopeIdentity, probe: Subrequest | None = None, probe_path: str = "") -> None:
        self._settings = settings
        self._probe = probe
        self._probe_path = probe_path
        self._keys = tuple(key for key in ("user", "session") if getattr(settings, key) is not None)
        self._warned = False

    @property
    def immediate(self) -> bool:
        return self._probe is None

    def at_hand(self, scope: Scope) -> EndUser | None:
        """The user the app has put into the scope. Raises NotAtHand if it would have to be probed."""
        if self._probe is None or all(key in scope for key in self._keys):
            return self._read(scope)
        raise NotAtHand(self.name)

    async def identify(self, scope: Scope) -> EndUser | None:
        """The same, probing if need be. Raises IdentityError if the app fails then."""
        if self._probe is None or all(key in scope for key in self._keys):
            return self._read(scope)
        answer = await self._probe.get(scope, self._probe_path, carried_headers(scope), PROBE_TIMEOUT_S)
        # What stood in the scope already was put there by middleware around us; the app has the last word.
        outer = {key: scope[key] for key in self._keys if key in scope}
        inner = {key: answer.scope[key] for key in self._keys if key in answer.scope}
        if not inner and not outer:
            self._warn_once()
        return self._read({**outer, **inner})

    async def aclose(self) -> None:
        """Nothing is held."""

    def _read(self, scope: Scope) -> EndUser | None:
        """If the app authenticates, that alone counts: a session may outlive the right to be signed in."""
        settings = self._settings
        if settings.user is not None and "user" in scope:
            user = scope["user"]
            return user_from(user, settings.user) if _is_authenticated(user) else None
        if settings.session is not None:
            return user_from(scope.get("session"), settings.session)
        return None

    def _warn_once(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "the app puts no %s into the scope of a path it does not know (Litestar, or middleware on "
                "single routes): nobody is known on portal routes; add an identity source such as whoami",
                " or ".join(self._keys),
            )


def _is_authenticated(user: object) -> bool:
    """`is_authenticated` is exactly True, or the object knows no such thing (then its id decides).

    A method of that name, or one that fails, is no yes.
    """
    if isinstance(user, dict):
        return user.get("is_authenticated", True) is True
    try:
        value = getattr(user, "is_authenticated", _MISSING)
    except Exception:
        return False
    if value is _MISSING:
        return inspect.getattr_static(user, "is_authenticated", _MISSING) is _MISSING
    return value is True
