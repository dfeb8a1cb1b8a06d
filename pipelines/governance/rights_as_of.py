"""What is on record as of a cut-off, read in parts: memory does not grow with the registry."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import ColumnElement, Engine, Select, and_, or_, select

from anonymizer.eligibility import State, in_force
from anonymizer.endings import ENDING_SCHEMA, until_ended
from pipelines.errors import RightsError
from pipelines.governance.bulk import read_frames
from pipelines.governance.database import translated
from pipelines.governance.tables import RightsRecord

_PART_ROWS: Final = 200_000


def rights_as_of(engine: Engine, *, source: str, cut_off: datetime) -> Iterator[pl.DataFrame]:
    """The records in force that bear on the learners of a source, in parts and in no order.

    Args:
        engine: the registry.
        source: whose learners dataset-level records may bear on.
        cut_off: the instant as of which rights are read.

    Returns:
        Frames as `anonymizer.eligibility.eligible` takes them: with the ends that later records
        put to them; `learner` is a digest as of `registry_digests`, or null. No record stands in
        two of them.

    Raises:
        RightsError: the registry holds a state that there is not.
        RegistryError: it can't be read.
    """
    table = RightsRecord.__table__.c
    of_source = or_(table.source.is_(None), table.source == source)
    begun = and_(table.received_at <= cut_off, table.effective_from <= cut_off)
    running = or_(table.effective_to.is_(None), table.effective_to > cut_off)
    with translated(engine), engine.connect() as connection:
        # First what ends others: a record that comes in between the two queries ends nothing yet.
        ends = _select(of_source, begun, table.ends.is_not(None))
        frames = read_frames(connection, ends, ENDING_SCHEMA)
        ending = pl.concat([pl.DataFrame(schema=ENDING_SCHEMA), *frames])
        query = _select(of_source, begun, running)
        for records in _parts(read_frames(connection, query, ENDING_SCHEMA)):
            if not records["state"].is_in([state.value for state in State]).all():
                raise RightsError(
                    f"{engine.url.database}: holds an unknown state; restore the registry from "
                    "your backup"
                )
            yield until_ended(records, ending, cut_off=cut_off).filter(in_force(cut_off))


def _parts(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Frames joined to larger ones: each is then held against all learners of a source."""
    part: list[pl.DataFrame] = []
    for frame in frames:
        part.append(frame)
        if sum(one.height for one in part) >= _PART_ROWS:
            yield pl.concat(part)
            part = []
    if part:
        yield pl.concat(part)


def _select(*criteria: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    columns = (RightsRecord.__table__.c[name] for name in ENDING_SCHEMA)
    return select(*columns).where(*criteria)
