"""Reads Prometheus' text format, and is stricter than Prometheus: what it accepts every scraper does.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL},?)*)\}})? (-?[0-9.e+-]+|NaN|[+-]Inf)")
_HELP = re.compile(rf"# HELP ({_NAME}) (\S.*)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram)")
_SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

Labels = frozenset[tuple[str, str]]


class Metrics:
    """What a page of metrics says. Raises ValueError if it is not well-formed."""

    def __init__(self, text: str) -> None:
        self.kinds: dict[str, str] = {}
        self.samples: dict[tuple[str, Labels], float] = {}
        if not text.endswith("\n"):
            raise ValueError("the last line has no end")
        helped, family = "", ""
        for line in text.splitlines():
            if match := _HELP.fullmatch(line):
                helped = match[1]
            elif match := _TYPE.fullmatch(line):
                family, kind = match[1], match[2]
                if family != helped or family in self.kinds:
                    raise ValueError(f"{line!r} without its help, or twice")
                if (kind == "counter") != family.endswith("_total"):
                    raise ValueError(f"a {kind} is called {family}")
                self.kinds[family] = kind
            else:
                self._read(line, family)
        self._check_histograms()

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of `name` that have these labels."""
        wanted = set(labels.items())
        return sum(value for (found, pairs), value in self.samples.items() if found == name and wanted <= pairs)

    def _read(self, line: str, family: str) -> None:
        match = _SAMPLE.fullmatch(line)
        if match is None or match[1] not in [family + suffix for suffix in _SUFFIXES[self.kinds[family]]]:
            raise ValueError(f"no sample of {family}: {line!r}")
        pairs = re.findall(_LABEL, match[2] or "")
        key = (match[1], frozenset(pairs))
        if key in self.samples or len(dict(pairs)) < len(pairs):
            raise ValueError(f"twice: {line!r}")
        self.samples[key] = float(match[5])

    def _check_histograms(self) -> None:
        for name in [name for name, kind in self.kinds.items() if kind == "histogram"]:
            buckets: dict[Labels, list[tuple[float, float]]] = {}
            for (found, pairs), value in self.samples.items():
                if found == name + "_bucket":
                    [bound] = [float(text) for label, text in pairs if label == "le"]
                    buckets.setdefault(frozenset(p for p in pairs if p[0] != "le"), []).append((bound, value))
            for rest, found_buckets in buckets.items():
                counts = [count for _, count in sorted(found_buckets)]
                if counts != sorted(counts) or max(found_buckets)[0] != float("inf"):
                    raise ValueError(f"{name}: buckets do not add up")
                if counts[-1] != self.samples[name + "_count", rest] or (name + "_sum", rest) not in self.samples:
                    raise ValueError(f"{name}: count or sum is not that of the buckets")
