"""What pyproject.toml cannot say: the C extension of the HTML engine.

It is optional: without a compiler the package is whole, with runs.py in its place. One build serves every Python from
3.11 on, except those without the GIL, which have no stable ABI yet.
"""

import sysconfig
from pathlib import Path

from setuptools import Extension, setup

SOURCES = Path("portal_gateway/html/c")
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            "portal_gateway.html._compiled",
            sources=[str(SOURCES / name) for name in ("find.c", "module.c", "names.c", "runs.c", "tags.c")],
            depends=[str(SOURCES / name) for name in ("find.h", "runs.h", "tags.h")],
            extra_compile_args=["-std=c11", "-fvisibility=hidden"] if sysconfig.get_platform() != "win32" else [],
            py_limited_api=STABLE_ABI,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
