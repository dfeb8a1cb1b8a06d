"""Checks of the files: checksums, nothing that does not belong in or between them, equal CSV."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import polars as pl

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import Package, Table
from pipelines.verify.parquet import demand_cells_alone
from pipelines.verify.synthetic import SyntheticPackage
from pipelines.verify.thrift import MalformedError
from schemas.manifest import CHECKSUMS_NAME, MANIFEST_NAME

AnyPackage: TypeAlias = Package | CellPackage | SyntheticPackage
"""Whatever is in it, a package is files that its manifest speaks of."""

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<path>.+)")
_DOCUMENTS = frozenset({MANIFEST_NAME, CHECKSUMS_NAME, "README.md", "codebook.md"})
_FORMULA_START = r"^[=+\-@\t\r']"
"""A spreadsheet reads a cell that starts so as a formula; the apostrophe is the escape itself."""


def file_checks(package: AnyPackage) -> list[tuple[str, Callable[[], Outcome]]]:
    """The checks of what any package consists of, by name."""
    checks: list[tuple[str, Callable[[], Outcome]]] = [
        ("checksums", partial(checksums, package)),
        ("known-files", partial(only_known_files, package)),
        ("parquet-bytes", partial(parquet_bytes, package)),
    ]
    if any(resource.csv_path for resource in package.manifest.resources):
        checks.append(("csv", partial(csv_equals_parquet, package)))
    return checks


def written_checks(
    package: AnyPackage, digest: str | None
) -> list[tuple[str, Callable[[], Outcome]]]:
    """The check of the files against those that were written, by name.

    Args:
        package: what is checked.
        digest: that an approval holds; None in older ones, which hold none.
    """
    return [] if digest is None else [("as-written", partial(as_written, package, digest))]


def checksums(package: AnyPackage) -> Outcome:
    """`checksums.sha256` (the format of sha256sum) covers every other file, and every file agrees.

    So do the size and the hash that the manifest states for each table.
    """
    return outcome(_checksum_faults(package), f"{plural(len(package.files) - 1, 'file')} agree")


def as_written(package: AnyPackage, digest: str) -> Outcome:
    """The list of checksums is the one that was written, so every file is where the list holds.

    What a text says, or a title, no other check can tell from what it said when it was written.

    Args:
        package: whose list it is.
        digest: of the list as it was written.
    """
    found = CHECKSUMS_NAME in package.files and _sha256(package.root / CHECKSUMS_NAME) == digest
    faults = [] if found else ["not the files that were written"]
    return outcome(faults, "every file as it was written")


def _checksum_faults(package: AnyPackage) -> Iterator[str]:
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


def only_known_files(package: AnyPackage) -> Outcome:
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


def parquet_bytes(package: AnyPackage) -> Outcome:
    """No Parquet file holds anything but its cells, and what says where and of which type they are.

    A note in a footer, bytes between two pages, or a value in a dictionary that no row has would
    leave with the package, and nobody who loads the table would see it.
    """
    faults: dict[str, list[str]] = {}
    for table in package.tables:
        try:
            demand_cells_alone((package.root / table.resource.path).read_bytes(), table.frame)
        except MalformedError as error:
            faults.setdefault(str(error), []).append(table.resource.path)
    found = (told for fault, paths in faults.items() for told in _about(paths, fault))
    return outcome(found, f"{plural(len(package.tables), 'table')} of cells and nothing else")


def csv_equals_parquet(package: AnyPackage) -> Outcome:
    """Each CSV file holds the rows of its Parquet file, in their order.

    Text that a spreadsheet would run as a formula is neutralized; numbers stand as they are, and a
    null as an empty cell.
    """
    faults: list[str] = []
    tables = 0
    for table in package.tables:
        if table.resource.csv_path is not None:
            tables += 1
            faults += _csv_faults(package.root, table.resource.csv_path, table)
    return outcome(faults, f"{plural(tables, 'table')} equal")


def _csv_faults(root: Path, path: str, table: Table | Cells) -> Iterator[str]:
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
    expected = _neutralized(table)
    if cells.width != expected.width or cells.height != expected.height + 1:
        yield f"{path} has another number of rows or columns than its Parquet file"
        return
    types = {
        cell: table.frame.schema[name]
        for cell, name in zip(cells.columns, table.text.columns, strict=True)
        if name in table.numbers
    }
    expected.columns = names.columns = cells.columns
    found = pl.concat([cells.head(1), _canonical(cells.slice(1), types)])
    different = sum(
        int(found[name].ne_missing(pl.concat([names[name], expected[name]])).sum())
        for name in found.columns
    )
    if different:
        yield f"{path} differs from its Parquet file in {plural(different, 'cell')}"


def _neutralized(table: Table | Cells) -> pl.DataFrame:
    """The cells as text, those that start like a formula with an apostrophe in front."""
    cell = pl.all().exclude(table.numbers)
    neutral = pl.when(cell.str.contains(_FORMULA_START)).then(pl.lit("'") + cell).otherwise(cell)
    return table.text.with_columns(neutral.name.keep())


def _canonical(cells: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Numbers as polars writes them, however the file does; what is none is told by a `?`."""
    return cells.with_columns(
        pl.when(pl.col(name) != "").then(
            pl.col(name).cast(number, strict=False).cast(pl.String).fill_null("?")
        )
        for name, number in types.items()
    )
