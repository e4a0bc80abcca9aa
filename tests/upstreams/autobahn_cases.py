"""Runs cases of Autobahn's WebSocket test suite; stdout gets a line of JSON for each: its name and what was observed.

Either as a client, against the server at a URL, or as the server of a client, which finds its port in the first line:

    autobahn_cases.py http://127.0.0.1:9001 '1.*' '2.*'
    autobahn_cases.py serve '1.*' '2.*'
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from typing import Any

from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver

# Many cases do nothing but wait for what must not come.
CONCURRENCY = 16
# What is longer is told by its digest.
SHORT = 100


def legible(part: Any) -> Any:
    """A message's kind, its payload or whether it is binary."""
    if isinstance(part, str) and len(part) > SHORT:
        part = part.encode("utf-8", "surrogatepass")
    if isinstance(part, bytes):
        return f"{len(part)} bytes, {hashlib.sha256(part).hexdigest()}"
    return part


def observed(result: Any) -> dict[str, Any]:
    return {
        "behavior": result.behavior.value,
        "close": result.behavior_close.value,
        "received": [[legible(part) for part in event] for event in result.received or ()],
        "code": result.remote_close_code,
        "reason": result.remote_close_reason,
        "clean": result.was_clean,
    }


async def run(target: str, cases: list[str]) -> list[Any]:
    try:
        if target != "serve":
            return await run_fuzzingclient(target, cases, concurrency=CONCURRENCY)
        async with run_fuzzingserver(cases, port=0) as server:
            print(server.port, flush=True)
            return await server.get_result()
    except FailureError as failure:  # its message is long; what failed is in the results
        return failure.results


for result in asyncio.run(run(sys.argv[1], sys.argv[2:])):
    print(json.dumps([result.case_id, observed(result)]))
sys.stdout.flush()
os._exit(0)  # kosoku's threads abort an interpreter that ends properly
