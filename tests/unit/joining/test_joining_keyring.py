from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_gateway.joining.keyring import Keyring, Unsealable

OLD, NEW = b"o" * 32, b"n" * 32
KEYRING = Keyring({"k1": OLD})

line = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), max_size=40)


class TestSignatures:
    @given(st.lists(line, max_size=4))
    def test_what_is_signed_is_recognised(self, parts: list[str]) -> None:
        assert KEYRING.is_mac(KEYRING.mac(*parts), "k1", *parts)

    @given(st.lists(line, max_size=4), st.lists(line, max_size=4))
    def test_it_stands_for_these_parts_alone(self, parts: list[str], others: list[str]) -> None:
        assert KEYRING.is_mac(KEYRING.mac(*parts), "k1", *others) == (parts == others)

    def test_parts_are_not_run_together(self) -> None:
        assert not KEYRING.is_mac(KEYRING.mac("ab", "c"), "k1", "a", "bc")

    @pytest.mark.parametrize("mac", ["", "x", "ä" * 43, "\udc80", "A" * 10_000])
    def test_anything_else_is_none(self, mac: str) -> None:
        assert not KEYRING.is_mac(mac.encode("utf-8", "replace").decode(), "k1", "a")

    def test_keys_are_rotated(self) -> None:
        rotated = Keyring({"k2": NEW, "k1": OLD})
        assert rotated.kid == "k2"
        assert rotated.is_mac(KEYRING.mac("a"), "k1", "a")
        assert not KEYRING.is_mac(rotated.mac("a"), "k2", "a")
        assert not Keyring({"k2": NEW}).is_mac(KEYRING.mac("a"), "k1", "a")

    def test_the_id_of_a_key_is_signed_with_the_rest(self) -> None:
        renamed = Keyring({"k1": OLD, "k9": OLD})
        assert not renamed.is_mac(KEYRING.mac("a"), "k9", "a")


class TestSeals:
    @given(st.binary(max_size=200), line)
    def test_what_is_sealed_comes_back(self, value: bytes, name: str) -> None:
        assert KEYRING.unseal(KEYRING.seal(value, name), name) == value

    def test_nothing_can_be_read_or_told_apart(self) -> None:
        one, other = (KEYRING.seal(b"jane@vance.example", "n") for _ in range(2))
        assert b"jane" not in one
        assert one != other

    def test_a_value_is_good_under_its_own_name(self) -> None:
        with pytest.raises(Unsealable):
            KEYRING.unseal(KEYRING.seal(b"value", "one"), "other")

    def test_a_key_that_was_dropped_opens_nothing(self) -> None:
        sealed = KEYRING.seal(b"value", "n")
        assert Keyring({"k2": NEW, "k1": OLD}).unseal(sealed, "n") == b"value"
        for keyring in (Keyring({"k2": NEW}), Keyring({"k1": NEW})):
            with pytest.raises(Unsealable):
                keyring.unseal(sealed, "n")

    @given(st.data())
    def test_a_changed_value_is_none(self, data: st.DataObject) -> None:
        sealed = bytearray(KEYRING.seal(b"value", "n"))
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(Unsealable):
            KEYRING.unseal(bytes(sealed), "n")

    @given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"k1." + rest))
    def test_any_bytes_are_none(self, sealed: bytes) -> None:
        with pytest.raises(Unsealable):
            KEYRING.unseal(sealed, "n")


def test_marks_tell_people_apart_and_nobody_who_they_are() -> None:
    mark = KEYRING.mark("person", "jane@vance.example")
    assert mark == KEYRING.mark("person", "jane@vance.example")
    assert mark != KEYRING.mark("user", "jane@vance.example")
    assert mark != Keyring({"k1": NEW}).mark("person", "jane@vance.example")
    assert "jane" not in mark
