"""A small isolated export in which one person has seven ids, and releases of it."""

from datetime import UTC, date, datetime

import polars as pl

from pipelines.governance.chain import head
from pipelines.governance.database import create_registry
from pipelines.governance.releases import NewRelease, published, reserve
from pipelines.governance.rights import registry_digests
from pipelines.keys import registry_key
from pipelines.people import EVERY_DUTY, Actor
from pipelines.settings import SourceSettings, create_workspace, find_workspace

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEWARD = Actor("s.ahn@platform.example", "ahn", EVERY_DUTY)
ADA = ("ada-core", "ada-ml", "ada-stat", "ada-forum", "ada-peer", "7001", "user~7001")
"""Every id of one person: her key, two courses', forum, peer review, the platform's own two."""

EXPORT = {
    "users": """
        jhu_user_id,country_cd
        ada-core,US
        bob-core,US
    """,
    "course_memberships": """
        jhu_user_id,course_id,course_membership_role,course_membership_ts
        ada-core,ml,LEARNER,2026-01-01 00:00:00
        ada-core ,stat,LEARNER,2026-01-01 00:00:00
        bob-core,ml,LEARNER,2026-01-01 00:00:00
    """,
    "jhu_course_user_ids": """
        jhu_user_id,ml_course_user_id,stat_course_user_id,jhu_discussions_user_id
        ada-core,ada-ml,,ada-forum
        ada-core,,ada-stat,
        bob-core,bob-ml,,
    """,
    "partner_user_ids": """
        jhu_user_id,course_user_id,jhu_peer_assignments_user_id,coursera_user_id
        ,ada-stat,ada-peer,
        ,ada-ml,,7001.0
        ,bob-ml,bob-peer,7002
    """,
    "discussion_questions": """
        discussion_question_id,jhu_discussions_user_id,discussion_question_title
        q1,ada-forum,Help
        q2,bob-forum,Thanks
    """,
    "peer_submissions": """
        peer_submission_id,jhu_peer_assignments_user_id,peer_submission_title
        s1,ada-peer,Essay of Ada
        s2,bob-peer,Essay of Bob
        s3,eve-peer,Essay of Eve
    """,
    "peer_submission_part_free_responses": """
        peer_submission_id,peer_submission_part_free_response_text
        s1,I think
        s1,and so
        s2,Well
    """,
    "peer_reviews": """
        peer_review_id,peer_submission_id,jhu_peer_assignments_user_id
        r1,s2,ada-peer
        r2,s1,bob-peer
        r3,s3,bob-peer
    """,
    "peer_review_part_free_responses": """
        peer_review_id,peer_review_part_free_response_text
        r1,Good work Bob
        r2,Good work Ada
        r3,Good work Eve
    """,
    "peer_review_part_choices": """
        peer_assignment_id,peer_review_id
        a1,r1
        a1,r3
    """,
    "staff_graded_assignment_submissions": """
        submitted_by,submitter_id,submitter_user,submitter_team
        7001,user~7001,7001,
        7002,team~1,,1
        7001,team~1,,1
    """,
    "staff_graded_assignment_submission_evaluations": """
        evaluated_by,submitter_id
        7009,user~7001
        7009,team~1
        7001,user~7002
    """,
    "notes": """
        who,what
        ada-core,nice
    """,
}


def write_table(file, text):
    """A CSV file of an indented text."""
    file.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")


def make_workspace(root):
    """A workspace with the export as its only source, and an empty registry."""
    folder = root / "export"
    folder.mkdir()
    for name, text in EXPORT.items():
        write_table(folder / f"{name}.csv", text)
    source = SourceSettings(family="coursera", location=str(folder))
    create_workspace(root / "ws", local=True, sources={"mooc": source})
    return find_workspace(root / "ws")


def with_registry(root):
    """The same, with an empty SQLite registry."""
    workspace = make_workspace(root)
    return workspace, create_registry(workspace.database)


def digests(workspace, ids):
    """How the registry knows these ids."""
    return registry_digests(pl.Series(list(ids)), registry_key(workspace.root)).to_list()


def record_release(workspace, registry, release_id, ids, **changes):
    """Record a published release that shows the owners of these ids in one course."""
    new = {
        "id": release_id,
        "request": "1" * 64,
        "title": "Forum habits",
        "researcher": "r.lee@uni.example",
        "purpose": "research",
        "source": "mooc",
        "family": "coursera",
        "access": "controlled",
        "scope": "course",
        "project": None,
        "k": 5,
        "m": 1,
        "item": "course_id",
        "jurisdictions": ("US",),
        "inputs_sha256": "2" * 64,
        "data_version": "3" * 64,
        "package_sha256": "4" * 64,
        "frozen_text": "{}",
        "cut_off": NOW,
        "created_at": NOW,
        "expires_on": date(2027, 1, 31),
    } | changes
    members = pl.DataFrame(
        {"learner": digests(workspace, ids), "item": "ml", "class_number": 0},
        schema_overrides={"class_number": pl.Int64},
    )
    reserve(registry, NewRelease(**new), members=members, classes={0: {}}, seen=head(registry),
            key=None, actor=STEWARD, at=NOW)  # fmt: skip
    published(registry, release_id, seen=head(registry), actor=STEWARD, at=NOW, supersedes=())
