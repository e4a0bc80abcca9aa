"""The sidecar of this moment, and those of configurations before, until their last request is over."""

from __future__ import annotations

import asyncio

from portal_gateway.observe.exposition import Samples, added, labels, lasting
from portal_gateway.observe.metrics import FAMILIES, event_samples
from portal_gateway.proxy.upstreams import Upstream
from portal_gateway.serving.garbage import settle
from portal_gateway.sidecar import Sidecar
from portal_gateway.wire.asgi import Receive, Scope, Send


class Runtimes:
    """An ASGI app whose inside can be replaced while it runs: no request is cut off or sees both."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._current = Runtime(sidecar)
        self._retired: set[Runtime] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._past: Samples = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = self.enter()
        try:
            await runtime.sidecar.app(scope, receive, send)
        finally:
            self.leave(runtime)

    def enter(self) -> Runtime:
        """What a request that has come now is for, until it leaves."""
        runtime = self._current
        runtime.requests += 1
        return runtime

    def leave(self, runtime: Runtime) -> None:
        """A request is over."""
        runtime.requests -= 1
        if runtime is not self._current:
            self._close_if_over(runtime)

    @property
    def sidecar(self) -> Sidecar:
        """The one of this moment."""
        return self._current.sidecar

    def is_ours(self, path: str) -> bool:
        """Whether `path` is one of the gateway's own, which the app behind never sees."""
        return self._current.sidecar.front_door.is_own(path)

    def mount_path(self) -> str:
        """Where the gateway's own paths begin."""
        return self._current.sidecar.gateway.settings.mount_path

    def replace(self, sidecar: Sidecar) -> None:
        """Requests that come from now on are for `sidecar`."""
        retired, self._current = self._current, Runtime(sidecar)
        self._retired.add(retired)
        self._close_if_over(retired)

    async def aclose(self) -> None:
        """Close all of them; what is still under way fails."""
        await asyncio.gather(*self._closings)
        for runtime in (self._current, *self._retired):
            await runtime.sidecar.aclose()

    def samples(self) -> Samples:
        conditions = {
            "portal_gateway_vendor_conditions": {
                labels(portal=portal, condition=condition): 1.0
                for portal, condition in self._current.sidecar.gateway.events.conditions
            }
        }
        return added([self._past, conditions, *(runtime.samples() for runtime in (self._current, *self._retired))])

    def troubles(self) -> list[str]:
        """What is not as it should be, as far as it is known without asking anybody."""
        sidecar = self._current.sidecar
        failing = [upstream.origin.address for upstream in sidecar.proxy.upstreams.all if upstream.is_failing]
        away = [f"upstream {address}: failed the last request that it was asked" for address in failing]
        conditions = sidecar.gateway.events.conditions
        return away + sorted(f"portal {portal}: {condition}" for portal, condition in conditions)

    def _close_if_over(self, runtime: Runtime) -> None:
        if runtime.requests == 0 and runtime in self._retired:
            self._retired.remove(runtime)
            closing = asyncio.create_task(self._close(runtime))
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)

    async def _close(self, runtime: Runtime) -> None:
        await runtime.sidecar.aclose()
        self._past = added([self._past, lasting(runtime.samples(), FAMILIES)])
        del runtime
        settle()


class Runtime:
    """One sidecar and how many requests are under way in it."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.requests = 0

    def samples(self) -> Samples:
        upstreams = self.sidecar.proxy.upstreams.all
        return added([event_samples(self.sidecar.gateway.events.counts), *map(_upstream_samples, upstreams)])


def _upstream_samples(upstream: Upstream) -> Samples:
    name, pool = upstream.origin.address, upstream.pool
    failures = {labels(upstream=name, code=code): count for code, count in upstream.failures.items()}
    connections = {"busy": pool.busy_count, "idle": pool.idle_count}
    return {
        "portal_gateway_upstream_failures_total": dict(failures),
        "portal_gateway_upstream_connections": {
            labels(upstream=name, state=state): count for state, count in connections.items()
        },
    }
