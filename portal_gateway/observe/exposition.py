"""Samples that add up over processes, and Prometheus' text format for them.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Family, then the rest of the sample's name with its labels, as they are written.
Samples = dict[str, dict[str, float]]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """What samples of one name mean."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str


def labels(**values: str) -> str:
    """Labels as they are written, `{kind="app",status="2xx"}`."""
    return "{" + ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items()]) + "}"


def added(parts: Iterable[Samples]) -> Samples:
    """The sums of what several processes, or one after the other, have counted."""
    total: Samples = {}
    for part in parts:
        for family, samples in part.items():
            into = total.setdefault(family, {})
            for key, value in samples.items():
                into[key] = into.get(key, 0) + value
    return total


def lasting(samples: Samples, families: Mapping[str, Family]) -> Samples:
    """What still counts when the process is gone: all but gauges."""
    return {name: dict(found) for name, found in samples.items() if families[name].kind != "gauge"}


def exposition(samples: Samples, families: Mapping[str, Family]) -> str:
    """The text for `/metrics`, in the order of `families`."""
    lines = []
    for name, family in families.items():
        if found := samples.get(name):
            lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
            lines += [f"{name}{rest} {value:.15g}" for rest, value in found.items()]
    return "\n".join(lines) + "\n"
