"""What is public of a source: its declaration, and the steward's catalogue in the workspace."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.aggregates.grid import Public
from pipelines.errors import OutputError, SettingsError, SourceError
from pipelines.settings import Workspace
from pipelines.sources import load_family, open_source, stage
from schemas.catalogue import Catalogue, catalogue_faults
from schemas.declaration import Family, parse_toml
from schemas.roles import Grain, Role
from schemas.violations import SchemaError

FOLDER: Final = "catalogues"


def public_of(workspace: Workspace, source: str) -> Public:
    """What grids of a source are made of; reads no row.

    Raises:
        SettingsError: there is no such source, or no catalogue of it that can be read.
    """
    settings = workspace.source(source)
    family, rows = load_family(settings.family, base=workspace.root)
    return Public(family, rows, _read(catalogue_path(workspace.root, source), source, family))


def catalogue_path(root: Path, source: str) -> Path:
    """Where the catalogue of a source lies in its workspace."""
    return root / FOLDER / f"{source}.toml"


def listed_items(workspace: Workspace, source: str, folder: Path) -> dict[str, tuple[str, ...]]:
    """Item column -> the items on offer, by a table of the source that is about no learner.

    Args:
        workspace: its sources.
        source: which.
        folder: an empty, private one.

    Returns:
        Nothing where the family declares no such table.

    Raises:
        SourceError: the table can't be read as declared.
    """
    settings = workspace.source(source)
    family = load_family(settings.family, base=workspace.root).family
    table = _catalogue_table(family)
    if table is None:
        return {}
    wanted = {table: frozenset([family.item])}
    location = open_source(settings.location, base=workspace.root)
    staged = stage(location, family, wanted, folder)
    rows = pl.read_parquet(staged.tables[table].path, columns=[family.item])
    items = tuple(rows[family.item].drop_nulls().unique().sort())
    if not items:
        raise SourceError(f"{settings.location}: {table} lists nothing; name the items yourself")
    return dict.fromkeys(_item_columns(family), items)


def item_columns(workspace: Workspace, source: str) -> list[str]:
    """The view columns of a source that are the raw item as it is."""
    settings = workspace.source(source)
    return _item_columns(load_family(settings.family, base=workspace.root).family)


def catalogue_text(
    dated: date,
    *,
    learners: int | None,
    items: dict[str, tuple[str, ...]],
    periods: Sequence[tuple[str, str, str]],
) -> str:
    """The TOML of a new catalogue.

    Args:
        dated: the day as of which it is true.
        learners: how many the source has, as published.
        items: column -> values.
        periods: column, first and last: dates, or numbers of relative weeks.
    """
    lines = [
        "# What is public of this source: what the cells of aggregates may be. Never read off rows",
        "# about learners. Whoever changes it makes new requests of all that ask for it.",
        f"dated = {dated.isoformat()}",
    ]
    if learners is None:
        lines.append("# learners = 30000   # as published; tells expected errors beside figures")
    else:
        lines.append(f"learners = {learners}")
    lines += ["", "[values]"]
    for column, values in items.items():
        listed = ", ".join(_text(value) for value in values)
        lines.append(f"{column} = [{listed}]")
    for column, first, last in periods:
        lines += ["", f"[periods.{column}]", f"first = {first}", f"last = {last}"]
    return "\n".join(lines) + "\n"


def write_catalogue(workspace: Workspace, source: str, text: str) -> Path:
    """Write a new catalogue; returns where it lies.

    Raises:
        OutputError: there is one already, or it can't be written.
        SettingsError: the text is none, or not of this source.
    """
    path = catalogue_path(workspace.root, source)
    family = load_family(workspace.source(source).family, base=workspace.root).family
    _parsed(text, "the catalogue", family)
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OutputError(f"{path} exists already; edit it, or remove it") from None
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror})") from None
    return path


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _catalogue_table(family: Family) -> str | None:
    found = (
        name
        for name, table in family.tables.items()
        if table.grain is Grain.CATALOGUE and family.item in table.columns
    )
    return next(found, None)


def _item_columns(family: Family) -> list[str]:
    """The view columns that are the raw item as it is."""
    views = family.views.values()
    return list(
        dict.fromkeys(
            name
            for view in views
            for name, column in view.columns.items()
            if column.role is Role.ITEM and not column.columns
        )
    )


def _read(path: Path, source: str, family: Family) -> Catalogue:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: no catalogue of source '{source}'; a steward writes what is public of it "
            f"with `kohort catalog new {source}`"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8; save it as UTF-8") from None
    return _parsed(text, str(path), family)


def _parsed(text: str, subject: str, family: Family) -> Catalogue:
    try:
        found = parse_toml(Catalogue, text, subject=subject)
    except SchemaError as error:
        raise SettingsError(str(error)) from None
    if faults := list(catalogue_faults(found, family)):
        raise SettingsError(str(SchemaError(subject, faults)))
    return found
