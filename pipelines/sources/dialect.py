"""How a delimited text file is written: found by reading it, never asked for.

Three hands write the exports that kohort reads: the platform (PostgreSQL's COPY: quotes escaped by
a backslash, null an unquoted empty cell), R (every text quoted, quotes doubled, null a bare `NA`)
and ordinary tools (quotes doubled where needed). In the first and the third `NA` is text: Namibia.
"""

import codecs
import csv
import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from pipelines.errors import SourceError

HEAD_BYTES: Final = 1 << 16
_CHUNK_BYTES: Final = 1 << 20
_DELIMITERS: Final = ",;\t"

# What only one way of writing quotes can produce; a cell ends at a delimiter or a line's end.
_ONLY_ESCAPED: Final = re.compile(rb'\\"[^",;\t\r\n]')
_ONLY_DOUBLED: Final = re.compile(rb'""[^",;\t\r\n]')
_LONE_BACKSLASH: Final = re.compile(rb'(?<!\\)(?:\\\\)*\\[^\\"]')
_ESCAPED_QUOTE: Final = re.compile(rb'(?<!\\)(?:\\\\)*\\"')

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_QUOTED_NAMES: Final = re.compile(r'"(?:[^"]|"")*"(?:[,;\t]"(?:[^"]|"")*")*')
_R_BARE: Final = re.compile(r"NA|TRUE|FALSE|Inf|-?[0-9][0-9.eE+-]*|")


@dataclass(frozen=True, slots=True)
class Head:
    """What the first bytes of a file say.

    Attributes:
        delimiter: between cells.
        names: the header's cells, stripped of blanks.
        bare_na: whether a bare `NA` is null, as R writes it, if quotes are doubled.
        has_rows: whether anything can follow the header.
    """

    delimiter: str
    names: tuple[str, ...]
    bare_na: bool
    has_rows: bool


@dataclass(frozen=True, slots=True)
class Body:
    r"""What a whole file says.

    Attributes:
        sha256: of its bytes, in hexadecimal.
        escapes: whether a quote inside a quoted cell is written `\"`, not `""`. None where the
            quotes leave it open, and the number of cells a row has to decide.
        closed: whether every quote is closed, if quotes are (escaped, doubled).
    """

    sha256: str
    escapes: bool | None
    closed: tuple[bool, bool]


def read_head(stream: BinaryIO, where: str) -> Head:
    """Find delimiter, header and the writing of nulls in the first bytes of a file.

    Raises:
        SourceError: the file is empty, is not UTF-8 text, or its header has no end, a column
            without a name or a name twice.
    """
    head = stream.read(HEAD_BYTES)
    if not head:
        raise SourceError(f"{where}: empty file (0 bytes), expected a header; export it again")
    cut = len(head) == HEAD_BYTES
    text = _Utf8(where).feed(head, final=not cut).removeprefix("\ufeff")
    header = _LINE_END.split(text, maxsplit=1)[0]
    rest = text[len(header) :]
    if header.count('"') % 2 or (cut and not rest):
        raise SourceError(f"{where}: the header has no end on its first line; is it a CSV file?")
    unquoted = re.sub(r'"(?:[^"]|"")*"', "", header)
    delimiter = max(_DELIMITERS, key=unquoted.count)
    names = tuple(name.strip() for name in next(csv.reader([header], delimiter=delimiter), []))
    _check_names(names, where)
    quoted = _QUOTED_NAMES.fullmatch(header) is not None
    bare_na = quoted and _only_r_bare(rest, delimiter, cut=cut)
    return Head(delimiter, names, bare_na, has_rows=bool(rest.strip()) or cut)


def _check_names(names: tuple[str, ...], where: str) -> None:
    for position, name in enumerate(names, start=1):
        if not name:
            raise SourceError(f"{where}: column {position} of the header has no name; name it")
        if name in names[: position - 1]:
            # By position: where the header is missing, a learner's cells stand here.
            first = names.index(name) + 1
            raise SourceError(
                f"{where}: columns {first} and {position} of the header have one name; rename one"
            )
    if not names:
        raise SourceError(f"{where}: the first line is blank, expected a header")


def _only_r_bare(rows: str, delimiter: str, *, cut: bool) -> bool:
    """Whether all that stands unquoted is what R leaves so: `NA`, logicals and numbers."""
    cell = re.compile(rf'"(?:[^"]|"")*"|[^{delimiter}\r\n]+')
    cells = cell.findall(rows)
    if cut:
        cells = cells[:-1]
    return all(text.startswith('"') or _R_BARE.fullmatch(text.strip()) for text in cells)


def read_body(stream: BinaryIO, where: str) -> Body:
    """Hash a file and find how it writes a quote inside a quoted cell.

    Raises:
        SourceError: it is not UTF-8 text.
    """
    sha256 = hashlib.sha256()
    utf8, evidence = _Utf8(where), _Evidence()
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        sha256.update(chunk)
        utf8.feed(chunk, final=False)
        # No pattern spans a line, so whole lines can be searched one chunk at a time.
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        evidence.search(lines + newline)
    utf8.feed(b"", final=True)
    evidence.search(rest + b"\n")
    return Body(sha256.hexdigest(), evidence.escapes(), evidence.closed())


class _Evidence:
    """What speaks for either way of writing a quote inside a quoted cell."""

    def __init__(self) -> None:
        self._escaped = self._doubled = self._lone = self._backslash = False
        self._quotes = self._escaped_quotes = 0

    def search(self, lines: bytes) -> None:
        self._quotes += lines.count(b'"')
        self._doubled = self._doubled or _ONLY_DOUBLED.search(lines) is not None
        if b"\\" in lines:
            self._backslash = True
            self._escaped_quotes += len(_ESCAPED_QUOTE.findall(lines))
            self._escaped = self._escaped or _ONLY_ESCAPED.search(lines) is not None
            self._lone = self._lone or _LONE_BACKSLASH.search(lines) is not None

    def escapes(self) -> bool | None:
        if self._escaped != self._doubled:
            return self._escaped
        if not self._backslash or (self._lone and not self._escaped):
            return False
        return None

    def closed(self) -> tuple[bool, bool]:
        return (self._quotes - self._escaped_quotes) % 2 == 0, self._quotes % 2 == 0


class _Utf8:
    """Decodes chunk by chunk, and knows how far it came."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._offset = 0

    def feed(self, chunk: bytes, *, final: bool) -> str:
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            at = self._offset - pending + error.start
            raise SourceError(
                f"{self._where}: not UTF-8 at byte {at}; convert it first, for example with "
                "`iconv -f WINDOWS-1252 -t UTF-8`"
            ) from None
        if b"\0" in chunk:
            at = self._offset + chunk.index(b"\0")
            raise SourceError(
                f"{self._where}: a NUL at byte {at}: not text; export it as UTF-8 CSV"
            )
        self._offset += len(chunk)
        return text
