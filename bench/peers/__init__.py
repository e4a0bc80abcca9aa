"""The proxies that people would use instead, each on one core, set up for speed as its own documentation says.

nginx, Apache, HAProxy and Caddy write a line for each request, as Portal Gateway does.
"""

from __future__ import annotations

from bench.peers import apache, caddy, haproxy, nginx, node, python

PEERS = (
    nginx.PLAIN,
    nginx.SUB_FILTER,
    haproxy.HAPROXY,
    apache.SUBSTITUTE,
    caddy.CADDY,
    node.HTTP_PROXY_MIDDLEWARE,
    python.STARLETTE,
    python.FASTAPI_PROXY_LIB,
)
