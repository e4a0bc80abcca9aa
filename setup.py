"""What pyproject.toml cannot say: what of the package is compiled.

Always, where there is a C compiler, the extension of the HTML engine: one build serves every Python from 3.11 on,
except those without the GIL, which have no stable ABI yet. Without a compiler the package is whole, with runs.py in its
place.

With PORTAL_GATEWAY_COMPILE=1 also what each request and page passes through, for one version of Python, by mypyc
(https://mypyc.readthedocs.io): the same sources at half of the cost. Wheels and the image are made that way. What is
made for every request is a plain class in there: the `__init__` that a dataclass writes itself stays interpreted.
"""

import os
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

SOURCES = Path("portal_gateway/html/c")
COMPILES = os.environ.get("PORTAL_GATEWAY_COMPILE") == "1"
STABLE_ABI = not (COMPILES or sysconfig.get_config_var("Py_GIL_DISABLED"))
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
        "caching", "compress", "conditional", "decide", "filling", "outcomes", "plan", "reasons", "requests", "rules",
        "snippets", "stream", "whole",
    ],
    "observe": ["access_log", "events", "figures", "request_ids", "requests"],
    "proxy": ["app", "connection", "exchange", "headers", "limits", "pool", "response", "straight"],
    "serving": ["straight"],
    "wire": ["asgi", "headers", "memo", "path_prefixes", "requests", "trust"],
}  # fmt: skip


def compiled_html() -> Extension:
    return Extension(
        "portal_gateway.html._compiled",
        sources=[str(SOURCES / name) for name in ("find.c", "module.c", "names.c", "runs.c", "tags.c")],
        depends=[str(SOURCES / name) for name in ("find.h", "runs.h", "tags.h")],
        extra_compile_args=["-std=c11", "-fvisibility=hidden"] if sysconfig.get_platform() != "win32" else [],
        py_limited_api=STABLE_ABI,
        optional=True,
    )


def compiled_hot() -> list[Extension]:
    from mypyc.build import mypycify

    paths = [str(Path("portal_gateway", room, f"{name}.py")) for room, names in HOT.items() for name in names]
    # What other packages say of their types depends on what is installed; the build shall not.
    flags = ["--config-file=", "--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent"]
    return mypycify([*flags, *paths], opt_level="3", debug_level="0", group_name="portal_gateway")


setup(
    ext_modules=[compiled_html(), *(compiled_hot() if COMPILES else [])],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
