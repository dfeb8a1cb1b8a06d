"""Write a package into a folder: tables, manifest, codebook, README, checksums."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.package.describe import Described
from pipelines.package.text import codebook, readme
from pipelines.spreadsheet import neutralized
from schemas.manifest import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Manifest,
    Promise,
    Resource,
    render_manifest,
)


def write_package(
    folder: Path,
    tables: Sequence[Described],
    promise: Promise,
    *,
    name: str,
    title: str,
    created: str,
    csv: bool,
) -> None:
    """Write everything a stranger needs to load, understand and re-verify a release.

    Args:
        folder: an empty folder.
        tables: what is released.
        promise: under which promise.
        name: the machine name of the package.
        title: the request's title.
        created: the moment of the build, in UTC (ISO 8601).
        csv: whether each table is also written as CSV.
    """
    (folder / "data").mkdir()
    resources = tuple(write_table(folder, table, csv=csv) for table in tables)
    manifest = Manifest(
        name=name,
        title=title,
        description="An anonymized research extract; README.md says what it promises.",
        created=created,
        resources=resources,
        promise=promise,
    )
    texts = {
        MANIFEST_NAME: render_manifest(manifest),
        "README.md": readme(manifest),
        "codebook.md": codebook(manifest),
    }
    write_texts(folder, texts)


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A table in the folder of a package: what its manifest says of the file."""

    path: str
    size: int
    sha256: str
    csv_path: str | None


def write_frame(folder: Path, name: str, frame: pl.DataFrame, *, csv: bool) -> WrittenTable:
    """Write a table below `data/`, which is there."""
    path = f"data/{name}.parquet"
    frame.write_parquet(folder / path, compression="zstd")
    content = (folder / path).read_bytes()
    csv_path = f"data/{name}.csv" if csv else None
    if csv_path is not None:
        neutralized(frame).write_csv(folder / csv_path)
    return WrittenTable(path, len(content), hashlib.sha256(content).hexdigest(), csv_path)


def write_table(folder: Path, table: Described, *, csv: bool) -> Resource:
    """Write a table of rows about learners below `data/`, which is there."""
    written = write_frame(folder, table.name, table.frame, csv=csv)
    return Resource(
        name=table.name,
        path=written.path,
        size=written.size,
        sha256=written.sha256,
        grain=table.grain,
        learner_key=table.fields[0].name,
        fields=table.fields,
        primary_key=table.primary_key,
        csv_path=written.csv_path,
    )


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the documents of a package, and the checksums of all that is in it.

    `sha256sum` format, so that `sha256sum --check checksums.sha256` works without kohort.
    """
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    ]
    (folder / CHECKSUMS_NAME).write_text("".join(lines), encoding="utf-8")
