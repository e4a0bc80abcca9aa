"""The documentation says what the package does: drift fails."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import portal_gateway
from portal_gateway.sandbox.server import running

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_configuration_reference_is_current() -> None:
    made = runpy.run_path(str(DOCS / "make_configuration.py"))["reference"]()
    assert (DOCS / "configuration.md").read_text() == made, "run: make reference"


def test_every_command_of_the_readme_exists() -> None:
    commands = set(re.findall(r"portal-gateway (demo|serve|check|init|schema|keygen|sandbox|explain)\b", README))
    for command in commands:
        result = subprocess.run(
            [sys.executable, "-m", "portal_gateway", command, "--help"], capture_output=True, check=False
        )
        assert result.returncode == 0, command


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


async def test_the_six_lines_of_the_readme_wrap_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [wrapping, *_] = code_blocks(README, "python")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "planhat.yaml").write_text(code_blocks(README, "yaml")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANHAT_API_TOKEN", "made-up")
    assert len([line for line in wrapping.splitlines() if line]) == 6
    names: dict[str, object] = {}
    exec(compile(wrapping, "README.md", "exec"), names)
    import httpx

    async with running(names["app"]) as url, httpx.AsyncClient() as client:  # type: ignore[arg-type]
        response = await client.get(f"{url}/portal/success/launch", headers={"accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == "/login?next=%2Fportal%2Fsuccess%2Flaunch"


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_reason_to_leave_a_page_alone_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", (DOCS / "injection.md").read_text()))
    source = "".join(
        (ROOT / "portal_gateway" / "injection" / f"{n}.py").read_text() for n in ("plan", "requests", "stream")
    )
    source += (ROOT / "portal_gateway" / "middleware.py").read_text()
    reasons = set(re.findall(r'return "([a-z_]+)"', source)) | set(re.findall(r'"empty", "([a-z_]+)"', source))
    assert reasons
    assert reasons <= documented


def test_the_changelog_names_this_version() -> None:
    assert f"## {portal_gateway.__version__}" in (ROOT / "CHANGELOG.md").read_text()
