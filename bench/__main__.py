"""`python -m bench [chapter ...] [--rounds N] [--seconds S]`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from bench import report
from bench.awake import cores_awake

CHAPTERS = ("middleware", "sidecar", "large", "engines", "decisions")

_CORES = {True: "kept awake", False: "asleep when idle, so that waking them is a part of `cpu us`"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("chapters", nargs="*", metavar="chapter", help=", ".join(CHAPTERS))
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is measured (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.chapters) - set(CHAPTERS):
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    command = " ".join(["python -m bench", *sys.argv[1:]])
    with cores_awake() as are_awake:
        for chapter in options.chapters or CHAPTERS:
            before = report.machine() | {"cores": _CORES[are_awake]}
            tables = import_module(f"bench.{chapter}").run(options.rounds, options.seconds)
            report.publish(chapter, command, before, tables)


if __name__ == "__main__":
    main()
