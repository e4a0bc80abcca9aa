from __future__ import annotations

import json

import pytest
from access_fakes import SharedStore, settle
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.access import notices
from portal_gateway.access.notices import Kind, Notice, NoticeBoard, decode, encode
from portal_gateway.store.base import StoreUnavailable


class Replica:
    """A board with what it did and heard."""

    def __init__(self, store: SharedStore) -> None:
        self.done: list[Notice] = []
        self.heard: list[Notice] = []
        self.is_away = False
        self.board = NoticeBoard(store, self.carry_out)
        self.board.listen(self.heard.append, lambda: None)

    async def carry_out(self, notice: Notice) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        self.done.append(notice)


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(notices, "LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(notices, "LAST_CHANCE_S", 0.1)


@pytest.mark.parametrize("kind", ["drop", "forget", "forget_portal"])
def test_a_notice_arrives_as_it_was_sent(kind: Kind) -> None:
    notice = Notice(kind, "p1", "u1")
    assert decode(encode(notice, "me")) == (notice, "me")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"forget", id="text"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"v":2,"from":"a","kind":"forget","portal":"p","user":"u"}', id="later-version"),
        pytest.param(b'{"v":1,"from":"a","kind":"grant","portal":"p","user":"u"}', id="other-kind"),
        pytest.param(b'{"v":1,"from":"a","kind":["forget"],"portal":"p","user":"u"}', id="kind-in-a-list"),
        pytest.param(b'{"from":"a","kind":"forget","portal":"p","user":"u"}', id="no-version"),
        pytest.param(b'{"v":1,"kind":"forget","portal":"p","user":"u"}', id="no-sender"),
    ],
)
def test_other_messages_are_not_for_us(data: bytes) -> None:
    assert decode(data) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_survived(data: bytes) -> None:
    assert decode(data) is None


async def test_the_others_hear_of_it_when_it_has_been_done(store: SharedStore) -> None:
    sender, other = Replica(store), Replica(store)
    sender.board.send(Notice("forget", "p", "u"))
    assert sender.board.is_pending("p", "u")
    assert (sender.done, other.heard) == ([], [])
    await settle()
    assert sender.done == other.heard == [Notice("forget", "p", "u")]
    assert sender.heard == []
    assert not sender.board.is_pending("p", "u")


async def test_what_cannot_be_done_is_tried_until_it_can(store: SharedStore) -> None:
    sender, other = Replica(store), Replica(store)
    sender.is_away = True
    for user in ("u1", "u2", "u1"):
        sender.board.send(Notice("drop", "p", user))
    await settle()
    assert sender.board.is_pending("p", "u1")
    assert sender.board.is_pending("p", "u2")
    assert not sender.board.is_pending("p", "u3")
    sender.is_away = False
    await settle()
    assert other.heard == [Notice("drop", "p", "u1"), Notice("drop", "p", "u2")]
    assert not sender.board.is_pending("p", "u1")


async def test_what_is_sent_again_while_it_is_done_is_done_again(store: SharedStore) -> None:
    sender = Replica(store)
    carry_out = sender.carry_out

    async def sent_again_once(notice: Notice) -> None:
        if not sender.done:
            sender.board.send(notice)
        await carry_out(notice)

    sender.board = NoticeBoard(store, sent_again_once)
    sender.board.send(Notice("drop", "p", "u"))
    await settle()
    assert sender.done == [Notice("drop", "p", "u")] * 2


async def test_a_portal_that_is_dropped_covers_all_its_users(store: SharedStore) -> None:
    sender = Replica(store)
    sender.is_away = True
    sender.board.send(Notice("forget_portal", "p"))
    assert sender.board.is_pending("p", "anybody")
    assert not sender.board.is_pending("other", "anybody")
    await sender.board.aclose()


async def test_what_waits_for_the_store_is_bounded(store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MAX_PENDING", 5)
    sender = Replica(store)
    sender.is_away = True
    sender.board.send(Notice("drop", "other", "x"))
    for number in range(20):
        sender.board.send(Notice("drop", "p", f"u{number}"))
        assert sender.board.is_pending("p", "u0")
    sender.is_away = False
    await settle()
    assert Notice("forget_portal", "p") in sender.done
    assert Notice("drop", "other", "x") in sender.done
    assert len(sender.done) < 10


async def test_who_ends_tries_once_more_and_does_not_wait_for_ever(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Replica(store)
    sender.board.send(Notice("drop", "p", "u"))
    await sender.board.aclose()
    assert sender.done == [Notice("drop", "p", "u")]
    monkeypatch.setattr(notices, "LAST_CHANCE_S", 0.0)
    sender.is_away = True
    sender.board.send(Notice("drop", "p", "u"))
    await sender.board.aclose()
    assert len(sender.done) == 1


def test_a_message_holds_marks_only() -> None:
    value = json.loads(encode(Notice("forget", "p1", "u1"), "me"))
    assert value == {"v": 1, "from": "me", "kind": "forget", "portal": "p1", "user": "u1"}
