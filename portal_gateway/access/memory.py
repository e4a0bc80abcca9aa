"""The in-process level: every decision this process knows, at hand in less than a microsecond."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from portal_gateway.access.freshness import Entry, doubted
from portal_gateway.access.keys import DecisionKey
from portal_gateway.models import EndUser

# More than one only while sessions from before a change of e-mail address or company live on.
MAX_SUBJECTS = 4


class _Known:
    """What is known of one user of one portal. `user` is who `last` was found for; `era` tells what is in doubt."""

    __slots__ = ("entries", "era", "last", "mark", "user")

    def __init__(self, mark: str, era: int) -> None:
        self.mark = mark
        self.era = era
        self.entries: dict[str, Entry] = {}
        self.user: EndUser | None = None
        self.last: Entry | None = None


class MemoryLevel:
    """Decisions of at most `max_users` users, least recently used out first. Times are judged by the caller."""

    def __init__(self, max_users: int) -> None:
        self._max_users = max_users
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._by_mark: dict[str, tuple[str, str]] = {}
        self._eras: defaultdict[str, int] = defaultdict(int)  # by portal

    def recall(self, portal: str, user: EndUser) -> Entry | None:
        """The entry that was put last, if it was for a user who is the same in everything.

        Spares what a provider needs to tell the subject. Not for users with attributes: whoever made that mapping may
        have changed it since, also in the copy that is kept here.
        """
        whose = (portal, user.id)
        known = self._known.get(whose)
        if known is None or user.attributes or known.era != self._eras[portal]:
            return None
        if known.user is not user:
            if known.user != user:
                return None
            known.user = user  # identity sources remember people: mostly it is the very same
        self._known.move_to_end(whose)
        return known.last

    def get(self, key: DecisionKey) -> Entry | None:
        known = self._find((key.portal, key.user_id))
        return known.entries.get(key.subject) if known is not None else None

    def put(self, key: DecisionKey, user: EndUser, entry: Entry) -> None:
        whose = (key.portal, key.user_id)
        known = self._find(whose)
        if known is None:
            known = self._known[whose] = _Known(key.mark, self._eras[key.portal])
            if key.mark:
                self._by_mark[key.mark] = whose
        known.entries.pop(key.subject, None)
        known.entries[key.subject] = entry
        if len(known.entries) > MAX_SUBJECTS:
            del known.entries[next(iter(known.entries))]
        known.user, known.last = (None, None) if user.attributes else (user, entry)
        if len(self._known) > self._max_users:
            self._drop(next(iter(self._known)))

    def doubt(self, portal: str | None = None) -> None:
        """Put all that is held in doubt, of one portal or of all.

        Done when it is next looked at, since there may be a hundred thousand.
        """
        for name in self._eras if portal is None else [portal]:
            self._eras[name] += 1

    def forget(self, portal: str, user_id: str) -> int:
        """Drop every decision of one user of one portal; the number dropped."""
        return self._drop((portal, user_id))

    def forget_mark(self, mark: str) -> int:
        """The same for a user of whom another replica has told the mark."""
        whose = self._by_mark.get(mark)
        return self._drop(whose) if whose is not None else 0

    def __len__(self) -> int:
        return len(self._known)

    def _find(self, whose: tuple[str, str]) -> _Known | None:
        known = self._known.get(whose)
        if known is None:
            return None
        self._known.move_to_end(whose)
        era = self._eras[whose[0]]
        if known.era != era:
            known.era = era
            known.entries = {subject: doubted(entry) for subject, entry in known.entries.items()}
            known.user = known.last = None
        return known

    def _drop(self, whose: tuple[str, str]) -> int:
        known = self._known.pop(whose, None)
        if known is None:
            return 0
        self._by_mark.pop(known.mark, None)
        return len(known.entries)
