"""Settings of how the gateway's own pages look: whose they are, and where they lead back to."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal_gateway.settings.colors import hex_color
from portal_gateway.wire.urls import is_private_channel, local_path, origin_of


def _place(value: str) -> str:
    if local_path(value) is None and origin_of(value) is None:
        raise ValueError('must be a path of the app such as "/" or an http(s) URL')
    return value


def _picture(value: str) -> str:
    _place(value)
    if local_path(value) is None and not is_private_channel(value):
        raise ValueError("must be https, or a path of the app: browsers block it in an https page")
    return value


Color = Annotated[str, AfterValidator(hex_color)]


class BrandSettings(BaseModel):
    """How the gateway's own pages look, so that they are recognised as yours."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str | None = Field(None, min_length=1, max_length=60, description="of the app, in the head of every page")
    logo: Annotated[str, AfterValidator(_picture)] | None = Field(
        None, description="a path of the app, or an https URL; shown 2 rem high beside the name"
    )
    color: Color | None = Field(None, description="of buttons and links, as `#rrggbb`")
    color_dark: Color | None = Field(
        None, description="the same on dark ground; by default `color`, as much lighter as it takes to be readable"
    )
    home: Annotated[str, AfterValidator(_place)] = Field(
        "/", description="where “Back to the app” leads: a path of the app, or a URL"
    )

    @property
    def logo_origin(self) -> str | None:
        """The origin that the logo comes from, if it is not the site's own."""
        return None if self.logo is None or self.logo.startswith("/") else origin_of(self.logo)
