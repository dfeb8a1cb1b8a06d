"""Check that a learner is in no table of the package: none of his pseudonyms is.

The steward writes them down with `kohort release pseudonyms`, under the package's own key.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import UnreadablePackageError
from schemas.manifest import LEARNER_PATTERN

_FORMAT: Final = "kohort-absent/1"
_KEYS: Final = {"format", "package", "pseudonyms"}


@dataclass(frozen=True, slots=True)
class Absent:
    """Whom a package must not show.

    Attributes:
        package: the name of the package.
        pseudonyms: all that one learner has or would have in it; None where its key was destroyed
            before they were computed.
    """

    package: str
    pseudonyms: tuple[str, ...] | None


def read_absent(path: Path) -> Absent:
    """The pseudonyms in this file.

    Raises:
        UnreadablePackageError: it is missing, or no such file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadablePackageError(f"{path}: can't be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise UnreadablePackageError(f"{path}: expected JSON in UTF-8") from None
    if not isinstance(found, dict) or found.keys() != _KEYS or found["format"] != _FORMAT:
        raise UnreadablePackageError(
            f"{path}: expected what `kohort release pseudonyms` writes ({_FORMAT})"
        )
    package, pseudonyms = found["package"], found["pseudonyms"]
    if not isinstance(package, str):
        raise UnreadablePackageError(f"{path}: package: expected a name")
    if pseudonyms is None:
        return Absent(package, None)
    if not isinstance(pseudonyms, list) or not all(map(_is_pseudonym, pseudonyms)):
        raise UnreadablePackageError(f"{path}: pseudonyms: expected a list of pseudonyms, or null")
    return Absent(package, tuple(pseudonyms))


def absent_learners(
    package: str, tables: Iterable[tuple[str, pl.DataFrame]], absent: Absent
) -> Outcome:
    """No cell of any table is one of the pseudonyms.

    Args:
        package: its name.
        tables: the name of each table, and all of it that is text, as text.
        absent: whom it must not show.
    """
    if absent.package != package:
        return _unchecked("the pseudonyms are those of another package")
    if absent.pseudonyms is None:
        return _unchecked("the key of this package was destroyed")
    if not absent.pseudonyms:
        return _unchecked("the file holds no pseudonym")
    return outcome(
        _shown(tables, list(absent.pseudonyms)),
        f"none of {plural(len(absent.pseudonyms), 'pseudonym')} of the learner",
    )


def _unchecked(why: str) -> Outcome:
    return Outcome(ok=False, detail=f"can't be checked: {why}")


def _shown(tables: Iterable[tuple[str, pl.DataFrame]], pseudonyms: list[str]) -> Iterator[str]:
    # A column that can't be read as text can't be searched.
    for name, cells in tables:
        rows = cells.filter(pl.any_horizontal(pl.all().is_in(pseudonyms))).height
        if rows:
            yield f"{plural(rows, 'row')} of the learner in {name}"


def _is_pseudonym(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(LEARNER_PATTERN, value) is not None
