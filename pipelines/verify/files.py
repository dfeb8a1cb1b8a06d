"""Checks of the files: checksums, nothing that does not belong, CSV equal to Parquet."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import Package, Table
from schemas.manifest import CHECKSUMS_NAME, MANIFEST_NAME

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<path>.+)")
_ARROW_TYPES = "ARROW:schema"
_DOCUMENTS = frozenset({MANIFEST_NAME, CHECKSUMS_NAME, "README.md", "codebook.md"})
_FORMULA_START = r"^[=+\-@\t\r']"
"""A spreadsheet reads a cell that starts so as a formula; the apostrophe is the escape itself."""


def checksums(package: Package) -> Outcome:
    """`checksums.sha256` (the format of sha256sum) covers every other file, and every file agrees.

    So do the size and the hash that the manifest states for each table.
    """
    return outcome(_checksum_faults(package), f"{plural(len(package.files) - 1, 'file')} agree")


def _checksum_faults(package: Package) -> Iterator[str]:
    if CHECKSUMS_NAME not in package.files:
        yield f"no {CHECKSUMS_NAME}"
        return
    text = (package.root / CHECKSUMS_NAME).read_text(encoding="utf-8", errors="replace")
    lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    listed = {line["path"]: line["digest"] for line in lines if line}
    if len(listed) != len(lines):
        yield f"{plural(len(lines) - len(listed), 'line')} malformed or repeated"
    present = {path: _sha256(package.root / path) for path in package.files}
    del present[CHECKSUMS_NAME]
    changed = [path for path in present.keys() & listed.keys() if present[path] != listed[path]]
    yield from _about(changed, "changed")
    yield from _about(listed.keys() - present.keys(), "listed but missing")
    yield from _about(present.keys() - listed.keys(), "not listed")
    yield from _about(
        (
            resource.path
            for resource in package.manifest.resources
            if present.get(resource.path) != resource.sha256
            or (package.root / resource.path).stat().st_size != resource.size
        ),
        f"not as {MANIFEST_NAME} states",
    )


def _about(paths: Iterable[str], fault: str) -> Iterator[str]:
    names = sorted(path if path.isprintable() else "?" for path in paths)
    if names:
        yield f"{plural(len(names), 'file')} {fault} ({', '.join(names[:3])})"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def only_known_files(package: Package) -> Outcome:
    """Every file is a table that the manifest lists, or a document of the package format.

    A file that no promise covers could hold anything.
    """
    tables = {
        path
        for resource in package.manifest.resources
        for path in (resource.path, resource.csv_path)
    }
    unknown = [path for path in package.files if path not in tables | _DOCUMENTS]
    folders = {path.parent for path in map(package.root.joinpath, package.files)}
    empty = [
        path.relative_to(package.root).as_posix()
        for path in package.root.rglob("*")
        if path.is_dir() and path not in folders
    ]
    faults = [*_about(unknown, "of no known kind"), *_about(empty, "an empty folder")]
    return outcome(faults, plural(len(package.files), "file"))


def parquet_footers(package: Package) -> Outcome:
    """No Parquet file carries metadata of its own beside the types of its columns."""
    notes = {
        resource.path: pl.read_parquet_metadata(package.root / resource.path).keys()
        for resource in package.manifest.resources
    }
    noted = [path for path, keys in notes.items() if keys - {_ARROW_TYPES}]
    return outcome(_about(noted, "with notes in its footer"), "types only")


def csv_equals_parquet(package: Package) -> Outcome:
    """Each CSV file holds the rows of its Parquet file, in their order, formulas neutralized."""
    tables = [table for table in package.extract.tables if table.resource.csv_path is not None]
    faults = [fault for table in tables for fault in _csv_faults(package.root, table)]
    return outcome(faults, f"{plural(len(tables), 'table')} equal")


def _csv_faults(root: Path, table: Table) -> Iterator[str]:
    path = str(table.resource.csv_path)
    if not (root / path).is_file():
        yield f"{path} is missing"
        return
    try:
        cells = pl.read_csv(
            root / path,
            has_header=False,
            infer_schema=False,
            empty_string_is_null=False,
            glob=False,
        )
    except pl.exceptions.PolarsError:
        yield f"{path} can't be read as CSV"
        return
    names = pl.DataFrame([[name] for name in table.text.columns], orient="col")
    cell = pl.all()
    neutral = pl.when(cell.str.contains(_FORMULA_START)).then(pl.lit("'") + cell).otherwise(cell)
    expected = table.text.select(neutral.name.keep())
    if cells.width != expected.width or cells.height != expected.height + 1:
        yield f"{path} has another number of rows or columns than its Parquet file"
        return
    expected.columns = names.columns = cells.columns
    different = sum(
        int(cells[name].ne_missing(pl.concat([names[name], expected[name]])).sum())
        for name in cells.columns
    )
    if different:
        yield f"{path} differs from its Parquet file in {plural(different, 'cell')}"
