"""What clients of the sidecar may do, and how long they may take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from portal_gateway.http11.limits import ClientLimits

_DEFAULT = ClientLimits()


class ClientSettings(BaseModel):
    """Limits of one client connection; time-outs in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target_bytes: int = Field(
        _DEFAULT.target_bytes, ge=1024, description="length of a request target (nginx: 8 KB for the line)"
    )
    head_bytes: int = Field(
        _DEFAULT.head_bytes,
        ge=4096,
        description="request line and headers together (Node and HAProxy 16 KB, nginx 32 KB, Go 1 MB)",
    )
    fields: int = Field(_DEFAULT.fields, ge=16, description="headers of one request (Apache 100, HAProxy 101)")
    keep_alive_s: PositiveFloat = Field(
        _DEFAULT.keep_alive_s,
        description="between two requests; more than a load balancer in front allows itself (mostly 60; nginx: 75)",
    )
    head_s: PositiveFloat = Field(
        _DEFAULT.head_s, description="from the first byte of a request to the end of its headers (Apache 20, nginx 60)"
    )
    body_s: PositiveFloat = Field(_DEFAULT.body_s, description="between two pieces of a request's body (nginx 60)")
    send_s: PositiveFloat = Field(
        _DEFAULT.send_s, description="between two pieces that the client takes of a response (nginx 60)"
    )

    def limits(self) -> ClientLimits:
        return ClientLimits(**self.model_dump())
