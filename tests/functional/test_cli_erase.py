"""`kohort rights erase`: what is told, to whom, and what never is."""

import json
import re

import pytest
from click.testing import CliRunner

from pipelines.cli.rights_erase import erase
from tests.idworld import ADA, digests, record_release, with_registry, write_table


@pytest.fixture
def world(tmp_path):
    """A workspace with a registry."""
    return with_registry(tmp_path)


def run(workspace, *more, learner_id="-", reason="letter"):
    """Erase the person; an id is read from standard input, and stands nowhere in what is told."""
    result = CliRunner().invoke(
        erase,
        [learner_id, "--reason", reason, "--workspace", str(workspace.root), *more],
        input="ada-core\n",
    )
    told = f"{result.output}{result.exception}"
    assert not any(one in told for one in (*ADA, *digests(workspace, ADA)))
    return result


def test_what_is_told_of_an_erasure(world):
    """Where the platform must erase, what others must be asked, and the next command."""
    workspace, registry = world
    record_release(workspace, registry, "0000000a", ["ada-core"])
    record_release(workspace, registry, "0000000c", ["bob-core"], title="Other")
    lines = run(workspace).output.splitlines()
    assert lines[0] == "erased: one learner, 7 of 7 ids recorded now"
    told = "\n".join(lines)
    assert "  mooc: course_memberships.jhu_user_id: 2 rows\n" in told
    assert "discussion_questions.jhu_discussions_user_id: 1 row; may hold text that" in told
    assert "peer_review_part_free_responses.peer_review_id: 2 rows, by the key of a row" in told
    assert "not searched; look there yourself:\n  mooc: notes: not declared" in told
    assert 'RECALL NOTICE: release 0000000a, "Forum habits"\nTo: r.lee@uni.example\n' in told
    assert "Destroy every copy" in told
    assert lines[-1] == 'next: kohort release recall 0000000a --reason "a learner was erased"'
    assert "0000000c" not in told
    assert run(workspace).output.startswith("erased before: one learner, 7 ids; nothing was")


def test_a_learner_whom_nobody_knows(world):
    """Is recorded all the same: what is not here today may come with the next export."""
    told = run(world[0], learner_id="nobody").output
    assert "erased: one learner, 1 of 1 ids recorded now" in told
    assert "no row of the learner in any source" in told
    assert "no release shows the learner" in told


def test_id_domains_that_no_bridge_reaches_are_told(world):
    """Bob has a forum id that stands in no bridge."""
    told = run(world[0], learner_id="bob-core").output
    assert "where another id stands, erase that one too:" in told
    assert "  mooc: jhu_discussions_user_id\n" in told


def test_rows_that_cannot_be_split_are_told(world, tmp_path):
    """They were not searched."""
    with (tmp_path / "export/peer_reviews.csv").open("a") as file:
        file.write("r9,s9,ada-peer,too,many\n")
    told = run(world[0]).output
    assert "mooc: peer_reviews: rows that can't be split into columns: 1" in told


def test_the_notices_go_into_a_file(world, tmp_path):
    """One a release, to be sent apart: nobody learns that two releases show one person."""
    workspace, registry = world
    for release_id in ("0000000a", "0000000b"):
        record_release(workspace, registry, release_id, ["ada-ml"])
    told = run(workspace, "--notice", str(tmp_path / "recall.txt")).output
    assert "RECALL NOTICE" not in told
    notices = (tmp_path / "recall.txt").read_text().split("RECALL NOTICE: ")[1:]
    assert [notice[:16] for notice in notices] == ["release 0000000a", "release 0000000b"]
    again = run(workspace, "--notice", str(tmp_path / "recall.txt"))
    assert "exists already" in str(again.exception)


def test_json(world):
    """The same, for a program."""
    workspace, registry = world
    record_release(workspace, registry, "0000000a", ["ada-core"])
    told = json.loads(run(workspace, "--json").output)
    assert (told["ids"], told["recorded"]) == (7, 7)
    assert told["unsearched"] == [{"source": "mooc", "what": "notes: not declared"}]
    assert told["releases"] == [
        {
            "id": "0000000a",
            "state": "served",
            "title": "Forum habits",
            "recipients": ["r.lee@uni.example"],
            "outstanding": ["r.lee@uni.example"],
        }
    ]
    assert told["notice"].startswith("RECALL NOTICE: release 0000000a")
    (forum,) = [one for one in told["found"] if one["table"] == "discussion_questions"]
    assert forum == {
        "source": "mooc",
        "table": "discussion_questions",
        "column": "jhu_discussions_user_id",
        "rows": 1,
        "holds_text": True,
        "id_domain": "jhu_discussions_user_id",
    }


def test_only_a_steward(world):
    """Whom the settings call something else is refused, and nothing is recorded."""
    workspace, _ = world
    with (workspace.root / "kohort.toml").open("a") as file:
        file.write('\n[people]\n"e.diaz@platform.example" = ["engineer"]\n')
    refused = run(workspace, "--as", "e.diaz@platform.example")
    assert re.search("is no steward here", str(refused.exception))


def test_a_source_that_cannot_be_searched_is_named(world, tmp_path):
    """In one line, without a cell of it."""
    write_table(tmp_path / "export/users.csv", "country_cd\nUS")
    assert "column 'partner_user_id' is missing" in str(run(world[0]).exception)
