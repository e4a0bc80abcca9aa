"""Which of the two readers of plain markup is in use."""

from __future__ import annotations

from portal_gateway.html.runs import compile_runs
from portal_gateway.html.speedups import COMPILED

if COMPILED:
    from portal_gateway.html.compiled_runs import skip_run
else:
    from portal_gateway.html.runs import skip_run

__all__ = ["prepare", "skip_run"]


def prepare() -> None:
    """Do at the start what no page should have to wait for."""
    if not COMPILED:
        compile_runs()
