"""The pages that are measured: generated ones, the same on every machine, and real ones where this machine has some.

Every generated page holds `</body>` in a style, a script, an attribute and a comment before the true one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

JSON = b'{"items": [%s], "next": null}' % b", ".join(b'{"id": %d, "name": "Store %d"}' % (n, n) for n in range(5))

_HEAD = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Cold stores</title>
<link rel="stylesheet" href="/app.css">
<style>.note::after { content: "</body>"; } .row > td { padding: .25rem }</style>
<script>window.tail = "<\\/p></body></html>"; if (1 < 2 && 3 > 2) { window.ready = true; }</script>
</head>
<body class="app">
<!-- layout: <nav class="links"></nav> </body> -->
<header><nav aria-label="main"><ul class="links"><li><a href="/">Home</a></li>
<li><a href="/stores">Stores</a></li></ul></nav></header>
<main id="content" data-end="</body>">
"""
_TAIL = b"""</main>
<footer class="site-footer" id="footer"><p>Acme &copy; 2026 <a href="/imprint">Imprint</a></p></footer>
<script src="/app.js" defer></script>
</body>
</html>
"""
_WORDS = ("alarm", "batch", "cold", "door", "energy", "frost", "gauge", "humid", "inlet", "joule", "meter", "probe")
# Documentation that Debian packages and toolchains bring along.
_DEBIAN, _RUST = Path("/usr/share/doc"), Path.home() / ".rustup/toolchains"
_REAL = (
    ("Python documentation", _DEBIAN, "python3*/html/library/os.html"),
    ("Python documentation", _DEBIAN, "python3*/html/library/shutil.html"),
    ("Rust documentation", _RUST, "*/share/doc/rust/html/book/ch02-00-guessing-game-tutorial.html"),
    ("Rust documentation", _RUST, "*/share/doc/rust/html/std/vec/struct.Vec.html"),
    ("Rust documentation", _RUST, "*/share/doc/rust/html/src/std/fs.rs.html"),
)


def generated(size: int) -> bytes:
    """A page of `size` bytes: a table of records, as an app renders it."""
    rng = random.Random(size)
    rows: list[bytes] = []
    left = size - len(_HEAD) - len(_TAIL)
    while True:
        row = _row(rng, len(rows))
        if left < len(row) + len(b"<p></p>\n"):
            break
        rows.append(row)
        left -= len(row)
    filler = b"<p>" + b"." * (left - len(b"<p></p>\n")) + b"</p>\n"
    return _HEAD + b"".join(rows) + filler + _TAIL


def _row(rng: random.Random, number: int) -> bytes:
    words = " ".join(rng.choices(_WORDS, k=rng.randint(8, 24)))
    return (
        f'<section class="row" id="row-{number}"><h3><a href="/stores/{number}?tab=a&amp;x=1">Store {number}</a></h3>\n'
        f"<p class=\"text muted\" data-n='{rng.randint(1, 99)}'>{words}, <em>{rng.choice(_WORDS)}</em> &gt; 3.</p>\n"
        f'<img src="/img/{number}.png" alt=""><br></section>\n'
    ).encode()


def real() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the real pages found on this machine."""
    for kind, root, pattern in _REAL:
        for path in sorted(root.glob(pattern))[:1]:
            yield f"{kind}: {path.name}", path.read_bytes()
