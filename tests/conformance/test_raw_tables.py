"""One suite for every kind of raw table: whatever the format, the same text comes out."""

import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources import open_source
from pipelines.sources.tables import RawTable

ROWS = [("u1", "1", "a, b"), ("u2", None, 'say "x"'), ("u3", "3", "NA")]
NAMES = ("id", "n", "text")


def plain(rows) -> str:
    """CSV as ordinary tools write it."""
    quoted = [
        ",".join("" if c is None else '"' + c.replace('"', '""') + '"' for c in row) for row in rows
    ]
    return "\n".join([",".join(NAMES), *quoted, ""])


def as_csv(folder: Path, rows) -> str:
    (folder / "t.csv").write_text(plain(rows))
    return str(folder)


def as_platform_csv(folder: Path, rows) -> str:
    """As Coursera writes it: quotes escaped by a backslash."""
    cells = [["" if c is None else '"' + c.replace('"', '\\"') + '"' for c in row] for row in rows]
    text = "\n".join([",".join(NAMES), *(",".join(row) for row in cells), ""])
    (folder / "t.csv").write_text(text)
    return str(folder)


def as_r_csv(folder: Path, rows) -> str:
    """As R writes it: everything quoted, null a bare NA."""
    cells = [["NA" if c is None else '"' + c.replace('"', '""') + '"' for c in r] for r in rows]
    head = ",".join(f'"{name}"' for name in NAMES)
    (folder / "t.csv").write_text("\n".join([head, *(",".join(row) for row in cells), ""]))
    return str(folder)


def as_zip(folder: Path, rows) -> str:
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("export/t.csv", plain(rows))
        archive.writestr("__MACOSX/export/._t.csv", "junk")
    return str(folder / "export.zip")


def as_parquet(folder: Path, rows) -> str:
    pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row").write_parquet(
        folder / "t.parquet"
    )
    return str(folder)


def as_sqlite(folder: Path, rows) -> str:
    with sqlite3.connect(folder / "t.db") as connection:
        connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, n TEXT, text TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{folder / 't.db'}"


KINDS = [as_csv, as_platform_csv, as_r_csv, as_zip, as_parquet, as_sqlite]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def make(request, tmp_path: Path) -> Callable[..., RawTable]:
    """Writes rows in one format, and opens the table anew."""
    count = iter(range(100))

    def make(rows=ROWS) -> RawTable:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        return open_source(request.param(folder, rows), base=tmp_path).tables["t"]

    return make


def read(table: RawTable, columns=NAMES) -> tuple[pl.DataFrame, str]:
    """All batches of one reading, and its digest."""
    reading = table.read(columns)
    frame = pl.concat(reading.batches)
    assert list(reading.ragged) == []
    return frame, reading.digest()


def test_columns_come_in_order(make):
    """The names are those of the source, in its order."""
    assert make().columns() == NAMES


def test_cells_come_as_text_with_their_positions(make):
    """Every cell is text, null where there is none, and `_row` counts from 0."""
    frame, _ = read(make())
    assert frame.schema == pl.Schema({**dict.fromkeys(NAMES, pl.String), "_row": pl.Int64})
    assert frame.rows() == [(*row, i) for i, row in enumerate(ROWS)]


def test_only_what_is_asked_for_is_read(make):
    """A reading has the asked columns in the asked order, and no others."""
    frame, _ = read(make(), ("text", "id"))
    assert frame.columns == ["text", "id", "_row"]


def test_the_digest_is_of_the_content(make):
    """The same content has the same digest in every reading; a changed cell has another."""
    changed = [*ROWS[:2], ("u3", "4", "NA")]
    first, again, other = (read(make(rows))[1] for rows in (ROWS, ROWS, changed))
    assert first == again != other


def test_a_table_without_rows_is_a_table(make):
    """A header alone makes zero rows, not a fault."""
    table = make([])
    assert table.columns() == NAMES
    assert sum(batch.height for batch in table.read(NAMES).batches) == 0
