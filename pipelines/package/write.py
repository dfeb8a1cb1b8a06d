"""Write a package into a folder: tables, manifest, codebook, README, checksums."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

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
    resources = tuple(_write_table(folder, table, csv=csv) for table in tables)
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
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    _write_checksums(folder)


def _write_table(folder: Path, table: Described, *, csv: bool) -> Resource:
    path = f"data/{table.name}.parquet"
    table.frame.write_parquet(folder / path, compression="zstd")
    content = (folder / path).read_bytes()
    csv_path = f"data/{table.name}.csv" if csv else None
    if csv_path is not None:
        neutralized(table.frame).write_csv(folder / csv_path)
    return Resource(
        name=table.name,
        path=path,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        grain=table.grain,
        learner_key=table.fields[0].name,
        fields=table.fields,
        primary_key=table.primary_key,
        csv_path=csv_path,
    )


def _write_checksums(folder: Path) -> None:
    """`sha256sum` format, so that `sha256sum --check checksums.sha256` works without kohort."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    ]
    (folder / CHECKSUMS_NAME).write_text("".join(lines), encoding="utf-8")
