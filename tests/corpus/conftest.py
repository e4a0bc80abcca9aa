"""Where the third-party test data is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from real_pages import PAGES, RealPage, read_pages
from tree_construction import TreeCase, read_cases

DEFAULT = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpora"


@pytest.fixture(scope="session")
def tree_cases() -> list[TreeCase]:
    root = Path(os.environ.get("PORTAL_GATEWAY_CORPORA", DEFAULT)) / "html5lib-tests" / "tree-construction"
    if not root.is_dir():
        pytest.skip(f"html5lib-tests are not at {root}; set PORTAL_GATEWAY_CORPORA to run the corpus tests")
    cases = [case for path in sorted(root.glob("*.dat")) for case in read_cases(path)]
    assert len(cases) > 1000
    return cases


@pytest.fixture(scope="session")
def real_pages(tmp_path_factory: pytest.TempPathFactory) -> list[RealPage]:
    if not PAGES.is_dir():
        pytest.skip(f"no pages at {PAGES}: tests/corpus/fetch_pages.sh, which `make test` runs, puts them there")
    pages = read_pages(tmp_path_factory.mktemp("django-admin"))
    assert len(pages) > 250
    return pages
