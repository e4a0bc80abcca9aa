"""`python -m bench.document`: the latest results as a part of docs/performance.md, and as docs/performance.json."""

from __future__ import annotations

import json

from bench.__main__ import CHAPTERS
from bench.report import RESULTS, markdown
from bench.servers import ROOT

_MARK = "<!-- results: written by `python -m bench.document` -->\n"


def main() -> None:
    paths = [path for chapter in CHAPTERS if (path := RESULTS / f"{chapter}.json").exists()]
    chapters = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    page = ROOT / "docs" / "performance.md"
    introduction = page.read_text(encoding="utf-8").partition(_MARK)[0]
    page.write_text(introduction + _MARK + "\n" + "\n".join(map(markdown, chapters)), encoding="utf-8")
    page.with_suffix(".json").write_text(json.dumps(chapters, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
