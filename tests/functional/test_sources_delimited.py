"""Delimited files: dialects are detected, and bad files refused in one line without a cell."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import SourceError
from pipelines.sources.delimited import DelimitedTable, _positions
from pipelines.sources.open import open_source
from schemas.raw import ROW

REFUSED = "SECRET"


def table(folder, content, name="t"):
    (folder / f"{name}.csv").write_bytes(content)
    return open_source(str(folder), base=folder).tables[name]


def read(raw, *columns):
    reading = raw.read(columns or raw.columns())
    frames = list(reading.batches)
    rows = pl.concat(frames).rows() if frames else []
    return rows, list(reading.ragged)


@pytest.mark.parametrize(
    "content, rows",
    [
        # the platform: backslash escapes, unquoted empty is null, NA is text
        (b'c,t\nNA,"say \\"hi\\", \\\\o"\n,x\n', [("NA", 'say "hi", \\o'), (None, "x")]),
        (b'c,t\n"NA","a \\"b\\" c"\n"",x\n', [("NA", 'a "b" c'), ("", "x")]),
        # R: all quoted, quotes doubled, a bare NA is null, a quoted one is Namibia
        (b'"c","t"\n"NA","say ""hi"""\nNA," 5"\n', [("NA", 'say "hi"'), (None, " 5")]),
        (b'"c","t"\nNA,7\n"NA",TRUE\n', [(None, "7"), ("NA", "TRUE")]),
        # R rewriting the platform's escapes: the backslash is part of the text
        (b'"c","t"\n"{\\""k\\"":1}",NA\n', [('{\\"k\\":1}', None)]),
        # ordinary tools: NA is text, a backslash is a backslash
        (b"c,t\nNA,C:\\dir\n", [("NA", "C:\\dir")]),
        (b'"c","t"\nNA,word\n', [("NA", "word")]),
        (b'c;t\n"a;b";1,5\n', [("a;b", "1,5")]),
        (b"c\tt\na\tb\n", [("a", "b")]),
        # byte order mark, other line ends, line breaks in cells, blank lines
        (b"\xef\xbb\xbfc,t\na,b\n", [("a", "b")]),
        (b'\xef\xbb\xbf"c","t"\r\n"a","b\r\nb"\r\n', [("a", "b\r\nb")]),
        (b"c,t\ra,b\r", [("a", "b")]),
        (b"c,t\n\na,b", [("a", "b")]),
        # a header alone: no rows
        (b"c,t\n", []),
        (b"c,t", []),
    ],
)
def test_dialects(tmp_path, content, rows):
    """Each way of writing a table is read for what its writer meant."""
    found, ragged = read(table(tmp_path, content))
    assert [row[:2] for row in found] == rows
    assert [row[2] for row in found] == list(range(len(rows)))
    assert ragged == []


def test_a_backslash_before_a_closing_quote(tmp_path):
    """Where quotes leave the dialect open, the reading that closes them wins."""
    found, _ = read(table(tmp_path, b'c,t\n"C:\\",x\n'))
    assert found == [("C:\\", "x", 0)]


def test_ragged_rows_keep_their_position(tmp_path):
    """Rows that can't be split are put aside by position; the others keep theirs."""
    content = b'c,t\n1,a\n2\n"3\n3",c\n4,d,d\n5,e\n6\n'
    found, ragged = read(table(tmp_path, content), "t")
    assert found == [("a", 0), ("c", 2), ("e", 4)]
    assert ragged == [1, 3, 5]


def test_only_the_named_columns_are_read(tmp_path):
    """Columns come in the order asked for."""
    found, _ = read(table(tmp_path, b"a,b,c\n1,2,3\n"), "c", "a")
    assert found == [("3", "1", 0)]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "t.csv: empty file (0 bytes)"),
        (b"c,t\nSECRET,\xe9\n", "not UTF-8 at byte 11; convert it first"),
        ("c,t\nSECRET,b\n".encode("utf-16"), "not UTF-8 at byte 0"),
        ("c,t\nSECRET,b\n".encode("utf-16-le"), "a NUL at byte 1"),
        (b"c,c\nSECRET,b\n", "columns 1 and 2 of the header have one name"),
        (b"c,,d\nSECRET,b,d\n", "column 2 of the header has no name"),
        (b"\nc,t\n", "the first line is blank"),
        (b'"c\nc",t\nSECRET,b\n', "the header has no end"),
        (b"c" * 70_000, "the header has no end"),
        (b'c,t\nSECRET,"never closed\n1,2\n', "an odd number of quotes"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    """One line that names the file and the next step, never a cell."""
    with pytest.raises(SourceError) as refusal:
        read(table(tmp_path, content))
    text = str(refusal.value)
    assert message in text
    assert "t.csv: " in text
    assert "\n" not in text
    assert REFUSED not in text
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_a_bad_byte_far_into_the_file_is_found(tmp_path):
    """Encoding is checked to the end, and the offset is that of the file."""
    content = b"c,t\n" + "é,b\n".encode() * 600_000
    with pytest.raises(SourceError, match=f"not UTF-8 at byte {len(content)};"):
        read(table(tmp_path, content + b"\xff\n"))


def test_a_row_above_the_block_size_is_refused(tmp_path):
    """Two open quotes make one huge cell; pyarrow's message would quote it."""
    content = b'c,t\nSECRET,"' + b"x,y\n" * 5_000_000 + b'"\n'
    with pytest.raises(SourceError, match="can't be split into rows") as refusal:
        read(table(tmp_path, content))
    assert REFUSED not in str(refusal.value)


def test_positions_across_batches():
    """Ragged rows ahead of, within and behind a batch."""
    assert _positions(0, 3, []).tolist() == [0, 1, 2]
    assert _positions(0, 3, [0, 2]).tolist() == [1, 3, 4]
    assert _positions(5, 2, [0, 5, 6, 9]).tolist() == [7, 8]


CELLS = st.text(alphabet='a1 ",\\\nNé', max_size=6).filter(lambda text: text != "NA")
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6)


def platform(cell):
    """As COPY writes it: quotes only where needed, a backslash before quotes and backslashes."""
    if not cell or not set(cell) & set('",\\\n'):
        return cell
    return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'


def r(cell):
    """As R writes it: always quoted, quotes doubled."""
    return '"' + cell.replace('"', '""') + '"'


@settings(deadline=None, max_examples=100)
@given(rows=ROWS)
def test_what_the_platform_writes_is_read_back(rows, tmp_path_factory):
    """Any text survives the platform's own dialect."""
    lines = ["key,c,t"] + [f"k,{platform(a)},{platform(b)}" for a, b in rows]
    raw = table(tmp_path_factory.mktemp("platform"), ("\n".join(lines) + "\n").encode())
    assert read(raw, "c", "t")[0] == [(a or None, b or None, i) for i, (a, b) in enumerate(rows)]


@settings(deadline=None, max_examples=100)
@given(rows=ROWS)
def test_what_r_writes_is_read_back(rows, tmp_path_factory):
    """Any text survives R's dialect, next to a cell that shows how its quotes are written."""
    lines = ['"key","c","t"'] + [f'"a ""q"" b",{r(a)},{r(b)}' for a, b in rows]
    raw = table(tmp_path_factory.mktemp("r"), ("\n".join(lines) + "\n").encode())
    assert read(raw, "c", "t")[0] == [(a, b, i) for i, (a, b) in enumerate(rows)]


def test_the_table_of_a_name_is_a_delimited_one(tmp_path):
    """A CSV file becomes a `DelimitedTable`, with `_row` behind the columns."""
    raw = table(tmp_path, b"c\n1\n")
    assert isinstance(raw, DelimitedTable)
    (frame,) = raw.read(["c"]).batches
    assert frame.schema == {"c": pl.String(), ROW: pl.Int64()}
