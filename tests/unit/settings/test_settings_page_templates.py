from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import Environment, meta
from settings_fakes import PLANHAT, Load, Problems, loaded, write

from portal_gateway.errors import SettingsError
from portal_gateway.settings.page_templates import EVERYWHERE, PAGES

OWN = {path.name: path.read_text("utf-8") for path in files("portal_gateway.portal").joinpath("templates").iterdir()}  # type: ignore[attr-defined]


def refused(directory: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(templates=str(directory))
    return str(caught.value)


def test_the_list_of_pages_is_complete() -> None:
    assert set(PAGES) == set(OWN)


@pytest.mark.parametrize("page", PAGES)
def test_our_own_pages_use_what_is_listed_and_all_of_it(page: str) -> None:
    used = meta.find_undeclared_variables(Environment(autoescape=True).parse(OWN[page]))
    assert used - EVERYWHERE == PAGES[page]


def test_a_directory_is_relative_to_the_configuration(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    assert load(PLANHAT + "templates: pages").templates == tmp_path / "pages"


def test_the_line_of_a_directory_that_is_not_there(problems: Problems) -> None:
    [problem] = problems(PLANHAT + "templates: nowhere")
    assert "nowhere is not a directory" in problem


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("message.html", "{{ text.title", "message.html line 1: "),
        ("message.html", "\n{% block x %}", "message.html line 2: "),
        (
            "message.html",
            "{{ portals }}{{ txet }}",
            "message.html: this page knows no 'portals'; message.html: this page",
        ),
        ("picker.html", "{% extends 'bse.html' %}", "picker.html: there is no template 'bse.html'"),
        ("picker.html", "{% include kind %}", "picker.html: there is no template 'of a computed name'"),
        ("mesage.html", "", "mesage.html: there is no such page"),
    ],
    ids=["syntax", "unclosed", "unknown-variables", "unknown-parent", "computed-name", "unknown-page"],
)
def test_a_template_that_would_fail_is_refused(tmp_path: Path, name: str, source: str, message: str) -> None:
    write(tmp_path / name, source)
    assert message in refused(tmp_path)


def test_what_is_not_utf_8(tmp_path: Path) -> None:
    write(tmp_path / "message.html", b"\xff")
    assert "message.html: cannot be read as a template in UTF-8" in refused(tmp_path)


def test_all_pages_parts_and_originals_can_be_used(tmp_path: Path) -> None:
    for page in PAGES:
        write(tmp_path / page, "{% extends 'own/" + page + "' %}{% include '_foot.html' %}{% set x = 1 %}{{ x }}")
    write(tmp_path / "_foot.html", "{{ anything }}")
    write(tmp_path / "notes.txt", "{{ not a template")
    assert loaded(templates=str(tmp_path)).templates == tmp_path
