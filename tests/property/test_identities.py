"""Which ids are one person's: the fast way and the slow one agree, whatever the bridge says."""

from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import SourceError
from pipelines.governance.identities import aliases, all_ids
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from tests.reference.identities import ids_of

FAMILY = """
family = "bridged"
title = "Ids alone"
learner = "id"
item = "course"
[tables.ids]
grain = "event"
bridge = ["*id"]
dropped = ["*_id"]
[tables.ids.columns]
id = { role = "learner-key" }
"""
COLUMNS = ("id", "forum_id", "course_id")

one = st.none() | st.integers(0, 5).map(str)
rows_of_ids = st.lists(
    st.tuples(one.map(lambda x: x and f"key{x}"), one.map(lambda x: x and f"f{x}"), one),
    max_size=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bridged")


def workspace_with(folder, rows):
    """A workspace whose source is one bridge table."""
    (folder / "data").mkdir(exist_ok=True)
    lines = [COLUMNS, *([cell or "" for cell in row] for row in rows)]
    (folder / "data/ids.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    if not (folder / "ws").exists():
        (folder / "bridged.toml").write_text(FAMILY)
        source = SourceSettings(family=str(folder / "bridged.toml"), location=str(folder / "data"))
        create_workspace(folder / "ws", local=True, sources={"one": source})
    return find_workspace(folder / "ws")


@given(rows=rows_of_ids)
@settings(max_examples=100, deadline=None)
def test_people_are_the_chains_of_rows(folder, rows):
    """Each id is called by a learner key of its chain, if one has any; ids of two chains never."""
    workspace = workspace_with(folder, rows)
    found = aliases(workspace, "one")
    linked = {cell for row in rows if sum(c is not None for c in set(row)) > 1 for cell in row}
    assert dict(found.schema) == {"id": pl.String, "person": pl.String}
    people = dict(found.iter_rows())
    assert len(people) == found.height
    assert people.keys() == linked - {None}
    for learner, person in people.items():
        chain = ids_of(rows, learner)
        keys = sorted(c for c in chain if c.startswith("key"))
        assert {people[one] for one in chain} == {person}
        assert person in (keys[:1] or chain)


@given(rows=rows_of_ids, start=st.sampled_from(["key0", "key1", "f0", "f1", "0", "1"]))
@settings(max_examples=100, deadline=None)
def test_any_id_leads_to_all(folder, rows, start):
    """All ids of the chain; a chain of two learner keys is refused, as nobody knows whose it is."""
    workspace = workspace_with(folder, rows)
    chain = ids_of(rows, start)
    doubtful = sum(c.startswith("key") for c in chain) > 1
    found = None
    with suppress(SourceError):
        found = all_ids(workspace, start).ids
    assert found == (None if doubtful else chain)
