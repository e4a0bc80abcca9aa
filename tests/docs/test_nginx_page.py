"""docs/nginx.md against deploy/nginx.conf and the code; tests/wire/test_nginx_in_front.py runs the recipe."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import yaml

from portal_gateway.injection import snippet_headers
from portal_gateway.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "nginx.md").read_text()
RECIPE = (ROOT / "deploy" / "nginx.conf").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_lines_shown_are_those_of_the_recipe() -> None:
    recipe = [line.strip() for line in RECIPE.splitlines()]
    shown = block("nginx").splitlines()
    assert len(shown) == 3
    assert [line for line in shown if line not in recipe] == []


def test_every_snippet_of_the_recipe_makes_its_page_private() -> None:
    snippets = re.findall(r"auth_request_set (\$\w+) \$upstream_http_portal_snippet_", RECIPE)
    assert len(snippets) == 2
    assert f'map "{"".join(snippets)}" $portal_cache_control' in RECIPE
    assert all(
        f"sub_filter '</{tag}>' '{name}</{tag}>'" in RECIPE for tag, name in zip(("nav", "main"), snippets, strict=True)
    )


def test_the_settings_shown_exist() -> None:
    shown = yaml.safe_load(block("yaml"))
    assert shown.keys() <= Settings.model_fields.keys()
    assert shown["upstream"].removeprefix("http://") in RECIPE


def test_the_reasons_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    code = inspect.getsource(snippet_headers)
    assert len(rows) == 3
    assert [reason for reason in rows if f'"{reason}"' not in code] == []


def test_the_limit_is_that_of_the_code() -> None:
    assert f"at most {snippet_headers.MAX_BYTES:,} bytes".replace(",", " ") in PAGE


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) > 4
    for link in links:
        file, _, anchor = link.partition("#")
        target = ROOT / "docs" / file
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
