"""The C extension, whose source is in the directory c. It may be missing: see speedups.py."""

# Insertion modes, as `outside` begins with one.
INITIAL: int
BEFORE_HTML: int
BEFORE_HEAD: int
IN_HEAD: int
AFTER_HEAD: int
IN_BODY: int
IN_TABLE: int
IN_TABLE_BODY: int
IN_ROW: int
IN_COLUMN_GROUP: int
# What else is known of the elements that are open, to be added.
PARAGRAPH: int
HEADING: int
TAKES_ITEMS: int
LINK: int
FORM: int
ONE_FORMATTING: int

def skip(buffer: bytes, position: int, limit: int, outside: int, room: int, /) -> tuple[int, list[tuple[bytes, bytes]]]:
    """The offset behind the run that begins at `position`, whose tags end before `limit`; and the elements that it
    leaves open, each as its name and its attributes as written."""

def find(buffer: bytes, word: bytes, position: int, /) -> int:
    """Where `word` stands next, from `position` on; -1 if it does not."""

def find_tag(buffer: bytes, name: bytes, position: int, /) -> int:
    """Where a start or end tag whose name begins with `name`, in any case, stands next; -1 if there is none."""

def insert(page: bytes, position: int, snippet: bytes, /) -> bytes:
    """The page with the snippet at that offset."""
