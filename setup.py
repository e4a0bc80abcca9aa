"""What pyproject.toml cannot say: what of the package is compiled.

Always, where there is a C compiler, the extensions of the rooms `html` and `wire`: one build serves every Python from
3.11 on, except those without the GIL, which have no stable ABI yet. Without a compiler the package is whole, with
Python in their place (runs.py and speedups.py, header_names.py, first_look.py).

With PORTAL_GATEWAY_COMPILE=1 also what each request and page passes through, for one version of Python, by mypyc
(https://mypyc.readthedocs.io): the same sources at half of the cost. Wheels and the image are made that way. What is
made for every request is a plain class in there: the `__init__` that a dataclass writes itself stays interpreted.
"""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

COMPILES = os.environ.get("PORTAL_GATEWAY_COMPILE") == "1"
STABLE_ABI = not (COMPILES or sysconfig.get_config_var("Py_GIL_DISABLED"))
# Lines of the instruction cache count here: each request passes more code than it holds. A call by way of the linker's
# table of jumps costs one more; so does a function that begins in the middle of one.
DIRECT_CALLS = ["-fvisibility=hidden", "-fno-plt"] if sys.platform == "linux" else []
LIKELY = Path(__file__).parent / "portal_gateway/wire/c/likely.h"
WELL_LAID = [f"-include{LIKELY}", "-falign-functions=64"] if sys.platform == "linux" else []
HOT = {
    "": ["front_door", "models"],
    "access": ["freshness", "keys", "memory", "service"],
    "html": [
        "body_end", "body_rules", "candidate_first", "candidates", "compiled_runs", "doctype", "elements", "endings",
        "formatting", "marking", "matching", "opaque", "output", "places", "placing", "raw_text", "refusals", "scanner",
        "table_rules", "tags", "tokenizer", "tree", "tree_rules",
    ],
    "http11": [
        "body", "connection", "cycle", "deadlines", "extensions", "fields", "framing", "gathered_writes", "limits",
        "request_head", "response_head", "scope",
    ],
    "identity": ["base", "chain", "fields", "headers", "scope"],
    "injection": [
        "caching", "compress", "conditional", "decide", "filling", "injector", "outcomes", "plan", "reasons",
        "requests", "responder", "rules", "snippets", "stream", "whole",
    ],
    "observe": ["access_log", "events", "figures", "request_ids", "requests"],
    "proxy": ["app", "connection", "exchange", "headers", "limits", "pool", "response", "straight"],
    "serving": ["straight"],
    "wire": ["asgi", "headers", "memo", "path_prefixes", "requests", "trust"],
}  # fmt: skip


def compiled_room(room: str) -> Extension:
    sources = Path("portal_gateway", room, "c")
    return Extension(
        f"portal_gateway.{room}._compiled",
        sources=sorted(map(str, sources.glob("*.c"))),
        depends=sorted(map(str, sources.glob("*.h"))),
        extra_compile_args=["-std=c11", *DIRECT_CALLS] if sys.platform != "win32" else [],
        define_macros=[("Py_LIMITED_API", "0x030b0000")] if STABLE_ABI else [],
        py_limited_api=STABLE_ABI,
        optional=True,
    )


def compiled_hot() -> list[Extension]:
    from mypyc.build import mypycify

    paths = [str(Path("portal_gateway", room, f"{name}.py")) for room, names in HOT.items() for name in names]
    # What other packages say of their types depends on what is installed; the build shall not.
    flags = ["--config-file=", "--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent"]
    extensions = mypycify([*flags, *paths], opt_level="3", debug_level="0", group_name="portal_gateway")
    for extension in extensions:
        extension.extra_compile_args += [*DIRECT_CALLS, *WELL_LAID]
        extension.depends.append(str(LIKELY))
    return extensions


setup(
    ext_modules=[compiled_room("html"), compiled_room("wire"), *(compiled_hot() if COMPILES else [])],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
