"""Family declarations: those shipped with kohort, and the user's own."""

import csv
import importlib.resources
import io
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import SourceError
from pipelines.sources.tables import did_you_mean
from schemas.declaration import Family, parse_family
from schemas.violations import SchemaError


class LoadedFamily(NamedTuple):
    """A declaration and the hierarchy tables that its views name.

    Attributes:
        family: the declaration.
        hierarchies: file name -> rows, one a leaf: `leaf, level 1, ..., *`.
    """

    family: Family
    hierarchies: dict[str, list[list[str]]]


def load_family(name_or_path: str, *, base: Path = Path()) -> LoadedFamily:
    """Read a family declaration and its hierarchies.

    Args:
        name_or_path: the name of a shipped family, or the path of a TOML file; hierarchies lie in
            `hierarchies/` beside the shipped ones, and right beside a user's own file; what does
            not lie there is looked for among the shipped ones, such as `age.csv`, `month.csv`.
        base: what a relative path starts from.

    Raises:
        SourceError: there is no such family, or a file breaks its schema.
    """
    shipped = importlib.resources.files("schemas") / "families"
    if name_or_path.endswith(".toml"):
        declaration: Traversable = base / name_or_path
        folder: Traversable = (base / name_or_path).parent
    else:
        declaration = shipped / f"{name_or_path}.toml"
        folder = shipped / "hierarchies"
        names = sorted(f.name.removesuffix(".toml") for f in shipped.iterdir() if f.is_file())
        if name_or_path not in names:
            raise SourceError(
                f"family '{name_or_path}' is not one of {', '.join(names)}"
                f"{did_you_mean(name_or_path, names)}; or name the path of a .toml file"
            )
    try:
        family = parse_family(_read_text(declaration), subject=declaration.name)
    except SchemaError as error:
        raise SourceError(str(error)) from None
    columns = [column for view in family.views.values() for column in view.columns.values()]
    named = sorted({column.hierarchy for column in columns if column.hierarchy is not None})
    ours = {file.name for file in (shipped / "hierarchies").iterdir()}

    def place(name: str) -> Traversable:
        own = folder / name
        return shipped / "hierarchies" / name if name in ours and not own.is_file() else own

    return LoadedFamily(family, {name: _rows(place(name)) for name in named})


def _rows(file: Traversable) -> list[list[str]]:
    reader = csv.reader(io.StringIO(_read_text(file)), delimiter=";", strict=True)
    try:
        return [row for row in reader if row]
    except csv.Error:
        raise SourceError(
            f"{file}: not a table separated by semicolons near line {reader.line_num}; check quotes"
        ) from None


def _read_text(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{file}: not UTF-8 at byte {error.start}; convert it first") from None
    except OSError as error:
        raise SourceError(f"{file}: can't be read ({error.strerror}); check the path") from None
