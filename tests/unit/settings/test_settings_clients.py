from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from portal_gateway.http11.limits import ClientLimits
from portal_gateway.settings.clients import ClientSettings

NUMBERS = {
    "target_bytes": 2048,
    "head_bytes": 8192,
    "fields": 20,
    "keep_alive_s": 1.5,
    "head_s": 2.5,
    "body_s": 3.5,
    "send_s": 4.5,
}


def test_the_defaults_are_those_of_the_server() -> None:
    assert ClientSettings().limits() == ClientLimits()


def test_what_is_configured_is_what_the_server_gets() -> None:
    limits = ClientSettings.model_validate(NUMBERS).limits()
    assert {field.name: getattr(limits, field.name) for field in fields(limits)} == {**NUMBERS, "linger_s": 5.0}


@pytest.mark.parametrize("key", NUMBERS)
def test_a_limit_of_nothing_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        ClientSettings.model_validate({key: 0})


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(ValidationError):
        ClientSettings.model_validate({"x": 1})
