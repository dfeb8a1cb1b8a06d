"""One person in every id domain of an isolated export: ids, rows, texts, and what is not known."""

import pytest

from pipelines.errors import SourceError
from pipelines.governance.identities import aliases, all_ids
from tests.idworld import ADA, make_workspace, write_table


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
    people = dict(aliases(workspace, "mooc").iter_rows())
    assert people == dict.fromkeys(ADA, "ada-core") | dict.fromkeys(
        ("bob-core", "bob-ml", "bob-peer", "7002"), "bob-core"
    )


def test_without_bridge_tables_there_are_no_aliases(workspace, tmp_path):
    """Not even an empty table: a build then joins nothing."""
    for table in ("jhu_course_user_ids", "partner_user_ids", "staff_graded_assignment_submissions"):
        (tmp_path / f"export/{table}.csv").unlink()
    assert aliases(workspace, "mooc") is None
