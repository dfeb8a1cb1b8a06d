"""Erasure under every id of a person, on both databases."""

import dataclasses
import re

import pytest
from sqlalchemy import func, select

from anonymizer.eligibility import State
from pipelines.errors import RightsError, RoleError, SourceError
from pipelines.governance.erasure import erase
from pipelines.governance.rights import import_rights
from pipelines.governance.tables import Action, RightsRecord
from pipelines.keys import registry_key
from pipelines.people import Actor, Duty
from tests.idworld import ADA, NOW, STEWARD, digests, make_workspace, record_release

LATER = NOW.replace(month=3)


@pytest.fixture
def workspace(registry_url, tmp_path):
    address = registry_url.render_as_string(hide_password=False)
    return dataclasses.replace(make_workspace(tmp_path), server=address)


def erase_one(registry, workspace, learner_id, *, actor=STEWARD, reason="letter", at=LATER):
    """Erase the person who has this id."""
    return erase(
        registry,
        workspace,
        learner_id,
        actor=actor,
        at=at,
        registry_key=registry_key(workspace.root),
        reason=reason,
    )


def tombstones(registry):
    """What is recorded of erased learners, oldest first."""
    with registry.connect() as connection:
        return connection.execute(select(RightsRecord.__table__).order_by(RightsRecord.id)).all()


def actions(registry):
    """What was done, in the words of the record."""
    with registry.connect() as connection:
        query = select(Action.kind, Action.subject, Action.detail).order_by(Action.id)
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize("learner_id", ["ada-core", "ada-peer", "user~7001"])
def test_every_id_gets_a_tombstone(registry, workspace, learner_id):
    """By digest alone, for every purpose and scope, with the moment and the reason."""
    done = erase_one(registry, workspace, learner_id, reason=" Art. 17, letter of 3 May ")
    rows = tombstones(registry)
    assert done.recorded == len(ADA)
    assert {row.learner for row in rows} == set(digests(workspace, ADA))
    assert {(r.state, r.purpose, r.scope, r.source, r.ends) for r in rows} == {
        (State.ERASED.value, "*", "*", None, None)
    }
    assert {(r.effective_from, r.effective_to, r.received_at) for r in rows} == {
        (LATER, None, LATER)
    }
    assert {r.note for r in rows} == {"Art. 17, letter of 3 May"}


def test_the_action_names_nobody(registry, workspace):
    """No id and no digest stands in the record of what was done."""
    erase_one(registry, workspace, "ada-core")
    assert actions(registry) == [("rights.erase", "one learner", "7 of the ids of one learner")]


def test_erasing_again_changes_nothing(registry, workspace):
    """By another id, too; what was found is told anew."""
    first = erase_one(registry, workspace, "ada-core")
    before = tombstones(registry), actions(registry)
    again = erase_one(registry, workspace, "ada-peer", at=LATER.replace(day=2))
    assert again.recorded == 0
    assert again.identities == first.identities
    assert (tombstones(registry), actions(registry)) == before


def test_an_id_that_came_later_is_recorded_too(registry, workspace, tmp_path):
    """A new bridge row makes one more id of the same person; the others keep their tombstone."""
    erase_one(registry, workspace, "ada-core")
    with (tmp_path / "export/partner_user_ids.csv").open("a") as file:
        file.write("ada-core,ada-law,,\n")
    assert erase_one(registry, workspace, "ada-peer").recorded == 1
    assert tombstones(registry)[-1].learner == digests(workspace, ["ada-law"])[0]


@pytest.mark.parametrize("learner_id", ["ada-core", "ada-stat", " 7001.0"])
def test_a_rights_file_that_names_the_person_is_refused(registry, workspace, tmp_path, learner_id):
    """Under any id, however it is written; nothing of the file is recorded."""
    erase_one(registry, workspace, "ada-forum")
    before = tombstones(registry)
    file = tmp_path / "rights.csv"
    file.write_text(
        "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version,effective_from,"
        "effective_to,source\n"
        "bob-core,research,*,granted,consent,US,1,2026-01-01,,form\n"
        f"{learner_id},research,*,granted,consent,US,1,2026-01-01,,form\n"
    )
    key = registry_key(workspace.root)
    with pytest.raises(RightsError, match="erased") as refused:
        import_rights(registry, file, registry_key=key, received_at=LATER, actor=STEWARD)
    assert learner_id.strip() not in str(refused.value)
    assert tombstones(registry) == before


def test_releases_that_show_the_person_are_listed(registry, workspace):
    """Under whichever id they know the person; others are not listed."""
    record_release(workspace, registry, "0000000a", ["ada-core", "bob-core"])
    record_release(workspace, registry, "0000000b", ["ada-forum"])
    record_release(workspace, registry, "0000000c", ["bob-core"])
    done = erase_one(registry, workspace, "ada-ml")
    assert {one.id for one in done.releases} == {"0000000a", "0000000b"}


def test_nothing_is_recorded_where_a_source_cannot_be_searched(registry, workspace, tmp_path):
    """Not even for the ids that are known."""
    (tmp_path / "export").rename(tmp_path / "moved")
    with pytest.raises(SourceError):
        erase_one(registry, workspace, "ada-core")
    with registry.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(RightsRecord)) == 0


def test_only_a_steward_erases(registry, workspace):
    """An engineer may build, not erase."""
    engineer = Actor("e.diaz@platform.example", "diaz", frozenset({Duty.ENGINEER}))
    with pytest.raises(RoleError, match="no steward"):
        erase_one(registry, workspace, "ada-core", actor=engineer)
    assert tombstones(registry) == []


@pytest.mark.parametrize("reason", ["", " \n", "ada-forum asked for it", "for 'ada-core'."])
def test_a_reason_says_why_and_names_nobody(registry, workspace, reason):
    """It stands in the registry for good."""
    with pytest.raises(RightsError, match=re.escape("--reason")) as refused:
        erase_one(registry, workspace, "ada-ml", reason=reason)
    assert "ada" not in str(refused.value)
    assert tombstones(registry) == []
