"""Settings of log-out: where people sign out of the host app."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal_gateway.wire.urls import local_path


def _path(value: str) -> str:
    if local_path(value) is None or "?" in value or "#" in value:
        raise ValueError('must be a path of the app such as "/logout", without a query')
    return value


class LogoutSettings(BaseModel):
    """What is known of people who sign out of the app is dropped, in all replicas."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    paths: tuple[Annotated[str, AfterValidator(_path)], ...] = Field(
        min_length=1, description="where people sign out: exact paths of the app, whatever the method"
    )
