"""Which ids are one person's: the fast way and the slow one agree, whatever the bridge says."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.governance.identities import AmbiguousPersonError, aliases, all_ids
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

some = st.none() | st.integers(0, 4).map(str)


def rows_of(key, forum):
    """Rows of a bridge whose keys and forum ids begin with these letters."""
    cells = (some.map(lambda x: x and f"{key}{x}"), some.map(lambda x: x and f"{forum}{x}"), some)
    return st.lists(st.tuples(*cells), max_size=10)


# The second source has a key of its own, or knows learners by the forum ids of the first.
rows_of_sources = st.tuples(
    rows_of("key", "f"), rows_of("other", "f") | rows_of("f", "g") | st.just([])
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bridged")


def workspace_with(folder, tables):
    """A workspace of two sources, each one bridge table."""
    sources = {}
    for name, rows in zip(("one", "two"), tables, strict=True):
        (folder / name).mkdir(exist_ok=True)
        lines = [COLUMNS, *([cell or "" for cell in row] for row in rows)]
        (folder / name / "ids.csv").write_text("".join(",".join(line) + "\n" for line in lines))
        family = str(folder / "bridged.toml")
        sources[name] = SourceSettings(family=family, location=str(folder / name))
    if not (folder / "ws").exists():
        (folder / "bridged.toml").write_text(FAMILY)
        create_workspace(folder / "ws", local=True, sources=sources)
    return find_workspace(folder / "ws")


def keys_of(chain, tables):
    """The learner keys in a chain, source by source, each in order."""
    return [sorted({key for key, *_ in rows} & chain) for rows in tables]


@given(tables=rows_of_sources)
@settings(max_examples=100, deadline=None)
def test_people_are_the_chains_of_rows(folder, tables):
    """Each id is called by a key of its chain, if it has any; by none where a source has two."""
    found = aliases(workspace_with(folder, tables))
    rows = [row for table in tables for row in table]
    linked = {cell for row in rows if sum(c is not None for c in set(row)) > 1 for cell in row}
    assert dict(found.schema) == {"id": pl.String, "person": pl.String}
    people = dict(found.iter_rows())
    assert len(people) == found.height
    assert people.keys() == linked - {None}
    for learner, person in people.items():
        chain = ids_of(rows, learner)
        keys = keys_of(chain, tables)
        assert {people[one] for one in chain} == {person}
        if max(map(len, keys)) > 1:
            assert person is None
        else:
            assert person in ([key for own in keys for key in own][:1] or chain)


@given(tables=rows_of_sources, start=st.sampled_from(["key0", "key1", "f0", "f1", "0", "1"]))
@settings(max_examples=100, deadline=None)
def test_any_id_leads_to_all(folder, tables, start):
    """All ids of the chain; one of two keys in a source is refused: nobody knows whose it is."""
    workspace = workspace_with(folder, tables)
    chain = ids_of([row for table in tables for row in table], start)
    if max(map(len, keys_of(chain, tables))) > 1:
        with pytest.raises(AmbiguousPersonError):
            all_ids(workspace, start)
    else:
        assert all_ids(workspace, start).ids == chain
