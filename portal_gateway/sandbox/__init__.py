"""The sandbox: emulators of both vendors over real HTTP, and a demo host app.

The emulators are the vendors' side and share no code with the gateway, so that mistakes of one side show.
"""

from __future__ import annotations

from portal_gateway.sandbox.host_app import create_host_app
from portal_gateway.sandbox.serve import Sandbox, create_sandbox
from portal_gateway.sandbox.server import running

__all__ = ["Sandbox", "create_host_app", "create_sandbox", "running"]
