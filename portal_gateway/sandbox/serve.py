"""The whole sandbox: both vendors over one set of records and one clock."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.applications import Starlette

from portal_gateway.sandbox.cast import create_world
from portal_gateway.sandbox.clock import Clock
from portal_gateway.sandbox.planhat import PlanhatEmulator, create_planhat
from portal_gateway.sandbox.rocketlane import RocketlaneEmulator, create_rocketlane
from portal_gateway.sandbox.rocketlane_token import EmbedKeys
from portal_gateway.sandbox.world import World


@dataclass(frozen=True)
class Sandbox:
    """Two ASGI apps, what they know, and the credentials they accept (new ones for every sandbox)."""

    world: World
    clock: Clock
    planhat: Starlette
    rocketlane: Starlette
    planhat_token: str
    rocketlane_api_key: str
    rocketlane_secret: str

    @property
    def planhat_vendor(self) -> PlanhatEmulator:
        """The state behind the app: switches, calls, `public_url` to set once the port is known."""
        emulator: PlanhatEmulator = self.planhat.state.emulator
        return emulator

    @property
    def rocketlane_vendor(self) -> RocketlaneEmulator:
        emulator: RocketlaneEmulator = self.rocketlane.state.emulator
        return emulator

    def upload_public_key(self, pem: str) -> None:
        """What an admin does under Settings → Customer Portal, for tokens signed with RS256 or ES256."""
        self.rocketlane_vendor.embed_keys = EmbedKeys(self.rocketlane_secret, pem)

    def reset(self) -> None:
        self.planhat_vendor.reset()
        self.rocketlane_vendor.reset()


def create_sandbox(world: World | None = None, clock: Clock | None = None) -> Sandbox:
    """A sandbox with the demo's cast and real time, unless others are given."""
    world, clock = world or create_world(), clock or Clock()
    planhat_token, api_key, secret = (secrets.token_hex(32) for _ in range(3))
    return Sandbox(
        world=world,
        clock=clock,
        planhat=create_planhat(world, clock, api_token=planhat_token),
        rocketlane=create_rocketlane(world, clock, api_key=api_key, embed_keys=EmbedKeys(secret)),
        planhat_token=planhat_token,
        rocketlane_api_key=api_key,
        rocketlane_secret=secret,
    )
