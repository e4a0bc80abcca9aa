from __future__ import annotations

import pytest

from portal_gateway.access.freshness import Entry, Lifetimes, doubted, entry_for
from portal_gateway.access.keys import DecisionKey
from portal_gateway.access.memory import MAX_SUBJECTS, MemoryLevel
from portal_gateway.models import Access, EndUser

LIFETIMES = Lifetimes(300, 60, 3600)
YES: Entry = entry_for(Access.grant("vendor_yes"), LIFETIMES, 0)
NO: Entry = entry_for(Access.deny("vendor_no"), LIFETIMES, 0)
JANE = EndUser("7", "jane@vance.com")


def key(portal: str = "success", user_id: str = "7", subject: str = "jane@vance.com", mark: str = "") -> DecisionKey:
    return DecisionKey(portal, user_id, subject, mark)


def test_what_is_put_is_got_and_the_last_one_counts() -> None:
    memory = MemoryLevel(10)
    assert memory.get(key()) is None
    memory.put(key(), JANE, YES)
    memory.put(key(), JANE, NO)
    assert memory.get(key()) is NO
    assert memory.recall("success", JANE) is NO
    assert len(memory) == 1


def test_portal_user_and_subject_are_all_part_of_the_key() -> None:
    memory = MemoryLevel(10)
    memory.put(key(), JANE, YES)
    assert memory.get(key(portal="onboarding")) is None
    assert memory.get(key(user_id="8")) is None
    assert memory.get(key(subject="noah@vance.com")) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(EndUser("8", "jane@vance.com"), id="id"),
        pytest.param(EndUser("7", "noah@vance.com"), id="e-mail"),
        pytest.param(EndUser("7", "jane@vance.com", True), id="verified"),
        pytest.param(EndUser("7", "jane@vance.com", name="Jane"), id="name"),
        pytest.param(EndUser("7", "jane@vance.com", company_id="2"), id="company"),
        pytest.param(EndUser("7", "jane@vance.com", attributes={"plan": "pro"}), id="attributes"),
    ],
)
def test_only_who_is_the_same_in_everything_is_recalled(other: EndUser) -> None:
    memory = MemoryLevel(10)
    memory.put(key(), JANE, YES)
    assert memory.recall("success", EndUser("7", "jane@vance.com")) is YES
    assert memory.recall("success", other) is None
    assert memory.recall("onboarding", JANE) is None


def test_attributes_that_change_in_place_are_noticed() -> None:
    """The subject may depend on them, so whoever has some is not recalled."""
    attributes: dict[str, str] = {}
    user = EndUser("7", attributes=attributes)
    memory = MemoryLevel(10)
    memory.put(key(), user, YES)
    attributes["company"] = "other"
    assert memory.recall("success", user) is None
    memory.put(key(), user, YES)
    assert memory.recall("success", user) is None


def test_forget_takes_every_subject_of_one_user_of_one_portal() -> None:
    memory = MemoryLevel(10)
    for kept in (key(), key(subject="old@vance.com"), key(user_id="8"), key(portal="onboarding")):
        memory.put(kept, EndUser(kept.user_id, kept.subject), YES)
    assert memory.forget("success", "7") == 2
    assert memory.forget("success", "7") == 0
    assert len(memory) == 2
    assert memory.recall("success", JANE) is None
    assert memory.get(key(user_id="8")) is YES
    assert memory.get(key(portal="onboarding")) is YES


def test_forgetting_by_mark() -> None:
    memory = MemoryLevel(10)
    memory.put(key(mark="m7"), JANE, YES)
    memory.put(key(user_id="8", mark="m8"), EndUser("8"), YES)
    assert memory.forget_mark("m7") == 1
    assert memory.forget_mark("m7") == memory.forget_mark("nobody") == memory.forget_mark("") == 0
    assert memory.get(key(mark="m7")) is None
    assert memory.get(key(user_id="8")) is YES


def test_the_size_is_bounded_and_what_was_used_last_stays() -> None:
    memory = MemoryLevel(3)
    users = [EndUser(str(number)) for number in range(5)]
    for user in users[:3]:
        memory.put(key(user_id=user.id, mark=f"m{user.id}"), user, YES)
    memory.get(key(user_id="0"))
    memory.recall("success", users[1])
    for user in users[3:]:
        memory.put(key(user_id=user.id, mark=f"m{user.id}"), user, YES)
    assert len(memory) == 3
    assert [memory.recall("success", user) is YES for user in users] == [False, True, False, True, True]
    assert memory.forget_mark("m0") == 0


def test_the_subjects_of_a_user_are_bounded() -> None:
    memory = MemoryLevel(10)
    for number in range(MAX_SUBJECTS + 1):
        memory.put(key(subject=f"{number}@vance.com"), EndUser("7", f"{number}@vance.com"), YES)
    assert memory.get(key(subject="0@vance.com")) is None
    assert memory.forget("success", "7") == MAX_SUBJECTS


def test_all_that_is_held_is_in_doubt_and_what_comes_later_is_not() -> None:
    memory = MemoryLevel(10)
    memory.put(key(), JANE, YES)
    memory.put(key(subject="old@vance.com"), EndUser("7", "old@vance.com"), NO)
    memory.doubt()
    assert memory.recall("success", JANE) is None
    assert memory.get(key()) == doubted(YES)
    memory.put(key(), JANE, YES)
    assert memory.recall("success", JANE) is memory.get(key()) is YES
    assert memory.get(key(subject="old@vance.com")) == doubted(NO)
    memory.doubt()
    memory.put(key(), JANE, YES)
    assert memory.recall("success", JANE) is YES
    assert memory.get(key(subject="old@vance.com")) == doubted(NO)


def test_one_portal_is_in_doubt_and_no_other() -> None:
    memory = MemoryLevel(10)
    for portal in ("success", "onboarding"):
        memory.put(key(portal=portal), JANE, YES)
    memory.doubt("success")
    memory.doubt("one that holds nothing")
    assert memory.recall("success", JANE) is None
    assert memory.get(key()) == doubted(YES)
    assert memory.recall("onboarding", JANE) is memory.get(key(portal="onboarding")) is YES
    memory.put(key(), JANE, NO)
    memory.put(key(user_id="8"), EndUser("8"), YES)
    assert memory.get(key()) is NO
    assert memory.recall("success", EndUser("8")) is YES
    memory.doubt()
    assert [memory.get(key(portal=portal)) for portal in ("success", "onboarding")] == [doubted(NO), doubted(YES)]
