"""The Pandera schema of a staged table, and what its refusals say."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from schemas.checking import Breach, breaches
from schemas.declaration import ColumnDeclaration, TableDeclaration
from schemas.raw import domain, raw_model, required
from schemas.roles import ColumnType, Grain, Role

TABLE = TableDeclaration(
    grain=Grain.LEARNER,
    key=("course",),
    columns={
        "learner": ColumnDeclaration(role=Role.LEARNER_KEY),
        "course": ColumnDeclaration(role=Role.ITEM),
        "gender": ColumnDeclaration(role=Role.QUASI_IDENTIFIER, values=("F", "M")),
        "state": ColumnDeclaration(role=Role.SENSITIVE, type=ColumnType.INTEGER, values=("0", "1")),
        "at": ColumnDeclaration(role=Role.TIME, type=ColumnType.TIMESTAMP),
    },
)
SOUND = pl.DataFrame(
    {
        "learner": ["a", "b"],
        "course": ["x", "x"],
        "gender": ["F", None],
        "state": [0, None],
        "at": [dt.datetime(2020, 1, 1), None],
        "_row": [0, 1],
    }
)


def found(frame):
    return breaches(raw_model("users", TABLE), frame)


def test_a_sound_frame_breaks_nothing():
    """Nulls are allowed outside the key."""
    assert found(SOUND) == ()


@pytest.mark.parametrize(
    "frame, column, cells",
    [
        (SOUND.with_columns(gender=pl.lit("SECRET")), "gender", 2),
        (SOUND.with_columns(state=pl.lit(7, dtype=pl.Int64)), "state", 2),
        (SOUND.with_columns(learner=pl.Series(["SECRET", None])), "learner", 1),
        (SOUND.with_columns(course=pl.Series(["SECRET", None])), "course", 1),
        (SOUND.with_columns(state=pl.Series(["0", "SECRET"])), "state", None),
        (SOUND.with_columns(_row=pl.lit(3, dtype=pl.Int64)), "_row", None),
        (SOUND.with_columns(extra=pl.lit("SECRET")), "users", 1),
        (SOUND.drop("at"), "users", 1),
    ],
)
def test_each_breach_is_a_column_a_check_and_a_count(frame, column, cells):
    """A breach names no value."""
    breach = next(b for b in found(frame) if b.column == column)
    assert isinstance(breach, Breach)
    assert cells is None or breach.cells == cells
    assert "SECRET" not in repr(found(frame))


def test_the_environment_cannot_turn_validation_off():
    """PANDERA_VALIDATION_ENABLED=False leaves the gate shut."""
    code = (
        "import polars as pl\n"
        "from schemas.declaration import ColumnDeclaration, TableDeclaration\n"
        "from schemas.checking import breaches\n"
        "from schemas.raw import raw_model\n"
        "column = ColumnDeclaration(role='quasi-identifier', values=('F',))\n"
        "table = TableDeclaration(grain='learner', columns={'g': column})\n"
        "print(len(breaches(raw_model('t', table), pl.DataFrame({'g': ['M'], '_row': [0]}))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PANDERA_VALIDATION_ENABLED": "False"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


def test_required_columns_are_the_key_and_the_learner():
    """Nothing else is refused for being null."""
    assert required(TABLE) == {"learner", "course"}
    assert required(TableDeclaration(grain=Grain.CATALOGUE, columns={})) == frozenset()


def test_a_domain_has_the_type_of_its_column():
    """Declared values are text in TOML; the domain is not."""
    assert domain(TABLE.columns["state"]) == [0, 1]
    assert domain(TABLE.columns["learner"]) is None


def test_a_domain_of_times_is_refused():
    """A closed list of times would never match."""
    column = ColumnDeclaration(role=Role.TIME, type=ColumnType.TIMESTAMP, values=("2020",))
    with pytest.raises(ValueError, match="type timestamp can't have `values`"):
        domain(column)
