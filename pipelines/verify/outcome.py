"""What a check finds. Details hold names and counts, never a value of a row or a pseudonym."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, recomputed.

    Attributes:
        name: stable, kebab-case; after a colon the table or column it is about.
        ok: whether the promise holds.
        detail: what was counted.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a check found.

    Attributes:
        ok: whether the promise holds.
        detail: what was counted.
        smallest: the fewest learners of any class, where the check counts classes and has any.
    """

    ok: bool
    detail: str
    smallest: int | None = None


class CannotRunError(Exception):
    """A check has nothing to count; the message says what is missing."""


def outcome(faults: Iterable[str], holds: str) -> Outcome:
    """Fails with the faults where there are any; holds with that sentence where there are none."""
    found = list(faults)
    return Outcome(not found, "; ".join(found) or holds)


def guarded(run: Callable[[], Outcome]) -> Outcome:
    """The outcome; a check that can't run has failed, and what stopped it is told without values.

    Messages of polars and pandera hold cells, so only the kind of the error is passed on.
    """
    try:
        return run()
    except CannotRunError as error:
        return Outcome(ok=False, detail=f"could not run: {error}")
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - fails closed
        return Outcome(ok=False, detail=f"could not run: {type(error).__name__}")


def plural(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`, `3 classes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"
