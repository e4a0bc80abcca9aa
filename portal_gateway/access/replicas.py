"""The replicas of this gateway: what they know together, and telling them what is to be dropped.

Outside of this process portals and users go by their marks only; here marks and names meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from portal_gateway.access.asking import Question
from portal_gateway.access.keys import DecisionKey, PortalKeys
from portal_gateway.access.notices import Kind, Notice, NoticeBoard
from portal_gateway.access.shared import Answer, SharedLevel
from portal_gateway.access.values import Found

Heard = Callable[[Kind, str, str], None]


class Replicas:
    """The others, through a store that all of them use."""

    def __init__(self, keys: Mapping[str, PortalKeys], level: SharedLevel) -> None:
        self._keys = keys
        self._level = level
        self._portals = {key.portal: name for name, key in keys.items()}
        self._board = NoticeBoard(level.store, self._carry_out)

    def listen(self, heard: Heard, missed: Callable[[], None]) -> None:
        """Call `heard` with the kind, the portal and the user's mark of each notice of another replica, and `missed`
        when some may have been lost."""
        self._board.listen(partial(self._on_notice, heard), partial(self._on_missed, missed))

    def mark(self, portal: str, user_id: str) -> str:
        return self._keys[portal].user(user_id)

    async def read(self, key: DecisionKey) -> Found | None:
        """What is held about `key`, however old. Raises StoreUnavailable."""
        return await self._level.read(key)

    async def ask_once(self, key: DecisionKey, max_age_s: float, question: Question) -> Answer:
        """An answer no older than `max_age_s` and its TTL: another replica's, or the vendor's."""
        if self._board.is_pending(self._keys[key.portal].portal, key.mark):
            return Answer(await question.ask())  # what the store holds is to be dropped
        return await self._level.ask_once(key, max_age_s, question)

    def tell(self, kind: Kind, portal: str, user_id: str = "") -> None:
        """Have the store and all replicas drop what `kind` says: now, or as soon as the store is there."""
        user = self.mark(portal, user_id) if kind != "forget_portal" else ""
        self._board.send(Notice(kind, self._keys[portal].portal, user))

    async def aclose(self) -> None:
        await self._board.aclose()

    async def _carry_out(self, notice: Notice) -> None:
        if notice.kind == "forget_portal":
            await self._level.generations.replace(notice.portal)
        else:
            await self._level.forget(notice.user)

    def _on_notice(self, heard: Heard, notice: Notice) -> None:
        portal = self._portals.get(notice.portal)
        if portal is None:
            return  # of a gateway with other portals
        if notice.kind == "forget_portal":
            self._level.generations.doubt(notice.portal)
        heard(notice.kind, portal, notice.user)

    def _on_missed(self, missed: Callable[[], None]) -> None:
        self._level.generations.doubt()
        missed()
