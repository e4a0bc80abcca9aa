"""What takes more than one command of Redis: Lua, in which no other command comes between.

Sent in full each time: Redis keeps what it has compiled by the hash of the code, so this costs some bytes, and spares
the case in which it has forgotten a hash (EVALSHA, NOSCRIPT).
"""

from __future__ import annotations

from typing import NamedTuple


class Script(NamedTuple):
    name: str
    code: bytes


PUT_IF = Script(
    "put_if",
    b"""
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
    return 1
    """,
)

DROP_IF = Script(
    "drop_if",
    b"""
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    return redis.call('DEL', KEYS[1])
    """,
)

# GCRA: the key holds until when calls are booked. The time is Redis' own, since clocks of replicas differ. All times
# are microseconds, which a double holds exactly.
SPEND = Script(
    "spend",
    b"""
    local interval, tolerance, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local booked_until = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
    local wait = math.max(booked_until - tolerance - now, 0)
    if wait <= patience then
      booked_until = booked_until + interval
      local ttl_ms = math.ceil((booked_until - now) / 1000)
      redis.call('SET', KEYS[1], string.format('%.0f', booked_until), 'PX', ttl_ms)
    end
    return wait
    """,
)
