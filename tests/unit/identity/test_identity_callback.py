from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portal_gateway.errors import IdentityError
from portal_gateway.identity.base import NotAtHand
from portal_gateway.identity.callback import CallbackSource
from portal_gateway.models import EndUser

ANN = EndUser("ann")


class AsyncCallable:
    async def __call__(self, scope: Any) -> EndUser:
        return EndUser(scope["path"])


async def known_late(scope: Any) -> EndUser:
    await asyncio.sleep(0)
    return ANN


def returns_awaitable(scope: Any) -> Any:
    return known_late(scope)


@pytest.mark.parametrize(
    ("identify", "expected"),
    [
        pytest.param(lambda scope: ANN, ANN, id="sync"),
        pytest.param(lambda scope: None, None, id="sync-nobody"),
        pytest.param(known_late, ANN, id="async"),
        pytest.param(AsyncCallable(), EndUser("/page"), id="object-with-async-call"),
        pytest.param(returns_awaitable, ANN, id="sync-that-returns-an-awaitable"),
    ],
)
async def test_the_callable_is_asked(identify: Any, expected: EndUser | None, make_scope: Any) -> None:
    assert await CallbackSource(identify).identify(make_scope()) == expected


@pytest.mark.parametrize("result", ["ann", True, {"id": "ann"}, 42, b""], ids=repr)
async def test_anything_but_a_user_is_an_error(result: Any, make_scope: Any) -> None:
    with pytest.raises(IdentityError, match=f"returned {type(result).__name__}"):
        await CallbackSource(lambda scope: result).identify(make_scope())


async def test_a_failure_is_logged_and_says_nothing_to_users(make_scope: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Any) -> EndUser:
        raise KeyError("token=s3cret")

    with pytest.raises(IdentityError) as caught:
        await CallbackSource(fail).identify(make_scope())
    assert "s3cret" not in caught.value.message
    assert isinstance(caught.value.__cause__, KeyError)
    assert "identify callable failed" in caplog.text


async def test_its_own_identity_error_passes(make_scope: Any) -> None:
    mine = IdentityError("the directory is away")

    def fail(scope: Any) -> EndUser:
        raise mine

    with pytest.raises(IdentityError) as caught:
        await CallbackSource(fail).identify(make_scope())
    assert caught.value is mine


async def test_cancellation_is_no_failure(make_scope: Any) -> None:
    async def forever(scope: Any) -> EndUser:
        await asyncio.Event().wait()
        return ANN

    task = asyncio.create_task(CallbackSource(forever).identify(make_scope()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_plain_function_that_returns_an_awaitable_is_found_out() -> None:
    """From the second page on, nobody waits for it outside of the budget."""

    async def look_up() -> EndUser:
        return EndUser("7")

    source = CallbackSource(lambda scope: look_up())
    assert source.immediate
    assert await source.identify({}) == EndUser("7")
    assert not source.immediate


@pytest.mark.parametrize("user", [ANN, None])
def test_a_plain_function_is_asked_at_hand(user: EndUser | None) -> None:
    assert CallbackSource(lambda scope: user).at_hand({}) == user


@pytest.mark.parametrize("identify", [known_late, returns_awaitable, AsyncCallable()])
async def test_what_waits_is_not_at_hand_and_asked_again(identify: Any) -> None:
    source = CallbackSource(identify)
    for _ in range(2):
        with pytest.raises(NotAtHand):
            source.at_hand({"path": "ann"})
        assert not source.immediate
    assert await source.identify({"path": "ann"}) == ANN


def test_at_hand_it_fails_the_same_way(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(IdentityError, match="returned str"):
        CallbackSource(lambda scope: "ann").at_hand({})  # type: ignore[arg-type, return-value]
    with pytest.raises(IdentityError):
        CallbackSource(lambda scope: 1 / 0).at_hand({})  # type: ignore[arg-type, return-value]
    assert "identify callable failed" in caplog.text
