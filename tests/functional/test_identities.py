"""One person in every id domain of an isolated export: ids, rows, texts, and what is not known."""

from dataclasses import replace

import pytest

from pipelines.errors import SourceError
from pipelines.governance.identities import AmbiguousPersonError, aliases, all_ids, one_id
from pipelines.settings import SourceSettings
from tests.idworld import ADA, make_workspace, write_table

BOB = ("bob-core", "bob-ml", "bob-peer", "7002")
PLACEHOLDER = """
jhu_user_id,course_user_id,jhu_peer_assignments_user_id
,ada-ml,0
,bob-ml,0
,eve-ml,eve-peer
"""


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path)


@pytest.mark.parametrize("learner_id", [*ADA, " ada-core ", "7001.00"])
def test_any_id_of_a_person_finds_all(workspace, learner_id):
    """Through both bridges and the staff's table, whichever id is given, however it is written."""
    assert all_ids(workspace, learner_id).ids == frozenset(ADA)


def test_where_a_person_stands(workspace):
    """By id in every domain; by the keys of her rows where no id stands: texts, others' reviews."""
    found = {(p.table, p.column): p for p in all_ids(workspace, "ada-forum").found if p.rows}
    assert {where: place.rows for where, place in found.items()} == {
        ("users", "jhu_user_id"): 1,
        ("course_memberships", "jhu_user_id"): 2,
        ("{partner}_course_user_ids", "jhu_user_id"): 2,
        ("{partner}_course_user_ids", "ml_course_user_id"): 1,
        ("{partner}_course_user_ids", "stat_course_user_id"): 1,
        ("{partner}_course_user_ids", "jhu_discussions_user_id"): 1,
        ("partner_user_ids", "course_user_id"): 2,
        ("partner_user_ids", "jhu_peer_assignments_user_id"): 1,
        ("partner_user_ids", "coursera_user_id"): 1,
        ("discussion_questions", "jhu_discussions_user_id"): 1,
        ("peer_submissions", "jhu_peer_assignments_user_id"): 1,
        ("peer_submission_part_free_responses", "peer_submission_id"): 2,
        ("peer_reviews", "jhu_peer_assignments_user_id"): 1,
        ("peer_reviews", "peer_submission_id"): 1,
        ("peer_review_part_free_responses", "peer_review_id"): 2,
        ("peer_review_part_choices", "peer_review_id"): 1,
        ("staff_graded_assignment_submissions", "submitted_by"): 2,
        ("staff_graded_assignment_submissions", "submitter_id"): 1,
        ("staff_graded_assignment_submissions", "submitter_user"): 1,
        ("staff_graded_assignment_submission_evaluations", "evaluated_by"): 1,
        ("staff_graded_assignment_submission_evaluations", "submitter_id"): 1,
    }
    assert {table for (table, _), place in found.items() if place.holds_text} == {
        "discussion_questions",
        "peer_submissions",
        "peer_submission_part_free_responses",
        "peer_review_part_free_responses",
        "peer_review_part_choices",
    }


def test_what_no_bridge_links_is_told(workspace):
    """Bob's forum id stands in no bridge: his other ids don't find it, and the domain is named."""
    bob = all_ids(workspace, "bob-core")
    assert bob.ids == {"bob-core", "bob-ml", "bob-peer", "7002"}
    assert ("mooc", "jhu_discussions_user_id") in bob.unreached()
    assert ("mooc", "linked") not in bob.unreached()
    assert all_ids(workspace, "bob-forum").ids == {"bob-forum"}


def test_an_unknown_learner_stands_nowhere(workspace):
    """Only the id that was given; no domain is called unreached where he is not known at all."""
    nobody = all_ids(workspace, "nobody")
    assert nobody.ids == {"nobody"}
    assert not any(place.rows for place in nobody.found)
    assert nobody.unreached() == ()


def test_tables_that_nothing_is_declared_of_are_told(workspace):
    """Nobody knows what stands in them."""
    assert all_ids(workspace, "ada-core").unknown == (("mooc", "notes"),)


def test_rows_that_cannot_be_split_are_counted(workspace, tmp_path):
    """A row with too many cells was not searched."""
    file = tmp_path / "export/peer_submissions.csv"
    file.write_text(file.read_text() + "s9,ada-peer,one,two\n")
    found = all_ids(workspace, "ada-core").found
    assert {p.unreadable for p in found if p.table == "peer_submissions"} == {1}
    assert {p.unreadable for p in found if p.table == "peer_reviews"} == {0}


BROKEN = {
    "users": ("country_cd\nUS", "column 'partner_user_id' is missing"),
    "peer_reviews": ("r1,s2,ada-peer\nr2,s1,bob-peer", "hardly a known column"),
    "jhu_course_user_ids": ("jhu_user_id\nada-core", "has 1 of two columns"),
    "partner_user_ids": ("jhu_user_id,course_user_id\nbob-core,ada-ml", "give one person 2"),
    "staff_graded_assignment_submission_evaluations": (
        "submitter_id\n7",
        "column 'evaluated_by' is missing",
    ),
}


@pytest.mark.parametrize("table", BROKEN)
def test_a_source_that_cannot_be_searched_is_refused(workspace, tmp_path, table):
    """What is not looked at must not pass for a place without the person; no cell is told."""
    text, said = BROKEN[table]
    write_table(tmp_path / f"export/{table}.csv", text)
    with pytest.raises(SourceError, match=said) as refused:
        all_ids(workspace, "ada-core")
    assert "ada" not in str(refused.value)


def test_a_source_that_is_gone_is_refused(workspace, tmp_path):
    """An erasure that passed over it would be a lie."""
    (tmp_path / "export").rename(tmp_path / "moved")
    with pytest.raises(SourceError, match="No such file"):
        all_ids(workspace, "ada-core")


def test_a_person_is_called_by_the_learner_key(workspace):
    """Who is linked to nobody is not listed; teams link nobody."""
    people = dict(aliases(workspace).iter_rows())
    assert people == dict.fromkeys(ADA, "ada-core") | dict.fromkeys(BOB, "bob-core")


def test_an_id_that_stands_for_nobody_makes_nobody_one(workspace, tmp_path):
    """Ada and Bob share a row: their ids are nobody's, and each is told of alone, or not at all."""
    write_table(tmp_path / "export/partner_user_ids.csv", PLACEHOLDER)
    people = dict(aliases(workspace).iter_rows())
    assert people.keys() == {"ada-core", "ada-ml", "ada-stat", "ada-forum", "0", "bob-core",
                             "bob-ml", "7001", "user~7001", "eve-ml", "eve-peer"}  # fmt: skip
    assert {one for one, person in people.items() if person is not None} == {
        *("7001", "user~7001"),
        *("eve-ml", "eve-peer"),
    }
    for learner in ("ada-core", "bob-ml", "0"):
        with pytest.raises(AmbiguousPersonError, match="give one person 2"):
            all_ids(workspace, learner)
        assert one_id(workspace, learner).ids == {learner}
    assert all_ids(workspace, "eve-ml").ids == {"eve-ml", "eve-peer"}


FAMILY = """
family = "FAMILY"
title = "Ids alone"
learner = "person"
item = "course"
[tables.ids]
grain = "event"
BRIDGE
dropped = ["*_id"]
[tables.ids.columns]
person = { role = "learner-key" }
"""


def with_source(workspace, name, table, bridge='bridge = ["person", "*_id"]'):
    """The workspace with one more source, of a single table."""
    folder = workspace.root / name
    folder.mkdir()
    write_table(folder / "ids.csv", table)
    text = FAMILY.replace("FAMILY", name).replace("BRIDGE", bridge)
    (workspace.root / f"{name}.toml").write_text(text)
    source = SourceSettings(family=f"{name}.toml", location=name)
    return replace(workspace, sources={**workspace.sources, name: source})


@pytest.mark.parametrize(("name", "called"), [("archive", "7"), ("zoo", "ada-core")])
def test_a_person_of_two_sources_has_one_name(workspace, name, called):
    """The key in the first source by name; one key in each of two sources is no doubt."""
    people = aliases(with_source(workspace, name, "person,forum_id\n7,ada-forum"))
    assert dict(people.iter_rows()) == dict.fromkeys((*ADA, "7"), called) | dict.fromkeys(
        BOB, "bob-core"
    )


def test_a_source_without_bridges_is_not_opened(workspace):
    """A build on another source doesn't wait for it; one that declares bridges must be there."""
    plain = with_source(workspace, "plain", "person,forum_id\n7,8", bridge="")
    (workspace.root / "plain").rename(workspace.root / "moved")
    assert aliases(plain).sort("id").equals(aliases(workspace).sort("id"))
    bridged = with_source(workspace, "bridged", "person,forum_id\n7,8")
    file = workspace.root / "bridged/ids.csv"
    file.rename(file.with_name("other.csv"))
    for search in (aliases, lambda place: all_ids(place, "7")):
        with pytest.raises(SourceError, match="lacks table 'ids'"):
            search(bridged)
    (workspace.root / "bridged").rename(workspace.root / "gone")
    with pytest.raises(SourceError, match="No such file"):
        aliases(bridged)


def test_without_bridge_tables_there_are_no_aliases(workspace, tmp_path):
    """Not even an empty table: a build then joins nothing."""
    for table in ("jhu_course_user_ids", "partner_user_ids", "staff_graded_assignment_submissions"):
        (tmp_path / f"export/{table}.csv").unlink()
    assert aliases(workspace) is None
