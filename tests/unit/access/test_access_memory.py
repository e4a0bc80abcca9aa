from __future__ import annotations

from portal_gateway.access.freshness import Entry
from portal_gateway.access.memory import DecisionKey, MemoryStore
from portal_gateway.models import Access

YES = Entry(Access.grant("vendor_yes"), 1.0, 2.0)
NO = Entry(Access.deny("vendor_no"), 1.0, 1.0)


def key(portal: str = "success", user_id: str = "7", subject: str = "jane@vance.com") -> DecisionKey:
    return DecisionKey(portal, user_id, subject)


def test_what_is_put_is_got_and_the_last_one_counts() -> None:
    store = MemoryStore(10)
    assert store.get(key()) is None
    store.put(key(), YES)
    store.put(key(), NO)
    assert store.get(key()) is NO
    assert len(store) == 1


def test_portal_user_and_subject_are_all_part_of_the_key() -> None:
    store = MemoryStore(10)
    store.put(key(), YES)
    assert store.get(key(portal="onboarding")) is None
    assert store.get(key(user_id="8")) is None
    assert store.get(key(subject="noah@vance.com")) is None


def test_drop_takes_one_and_does_not_mind_an_absent_one() -> None:
    store = MemoryStore(10)
    store.put(key(), YES)
    store.put(key(subject="other"), YES)
    store.drop(key())
    store.drop(key())
    assert store.get(key()) is None
    assert store.get(key(subject="other")) is YES


def test_forget_takes_every_subject_of_one_user_of_one_portal() -> None:
    store = MemoryStore(10)
    for kept in (key(), key(subject="old@vance.com"), key(user_id="8"), key(portal="onboarding")):
        store.put(kept, YES)
    assert store.forget("success", "7") == 2
    assert store.forget("success", "7") == 0
    assert len(store) == 2
    assert store.get(key(user_id="8")) is YES
    assert store.get(key(portal="onboarding")) is YES


def test_the_size_is_bounded_and_what_was_used_last_stays() -> None:
    store = MemoryStore(2)
    store.put(key(user_id="1"), YES)
    store.put(key(user_id="2"), YES)
    store.get(key(user_id="1"))
    store.put(key(user_id="3"), YES)
    assert len(store) == 2
    assert store.get(key(user_id="1")) is YES
    assert store.get(key(user_id="2")) is None
