"""Keys on record, on both databases: one project key for everybody, and destruction that holds."""

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from sqlalchemy import select

from pipelines.errors import RegistryError, RoleError, SettingsError
from pipelines.governance.absence import pseudonyms_of
from pipelines.governance.audit import verify_chain
from pipelines.governance.chain import changing, head
from pipelines.governance.key_destruction import destroy_project_key, destroy_registry_key
from pipelines.governance.key_events import (
    finish_destructions,
    key_created,
    key_destroyed,
    key_history,
    project_key_for,
)
from pipelines.governance.key_inventory import key_inventory
from pipelines.governance.key_sealing import seal_keys, unseal_keys
from pipelines.governance.releases import (
    MEMBER_SCHEMA,
    NewRelease,
    confirm,
    destroy_key,
    failed,
    published,
    recall,
    release,
    reserve,
)
from pipelines.governance.tables import Action, KeyEvent
from pipelines.keys import (
    create_keys,
    destroy_release_key,
    key_id,
    make_project_key,
    project_key,
    registry_key,
    release_key,
    remove_secret,
    store_release_key,
    write_secret,
)
from pipelines.people import Actor, Duty
from pipelines.settings import Workspace
from schemas.policy import Policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEWARD = Actor("s.ahn@platform.example", "ahn", frozenset({Duty.STEWARD}))
ENGINEER = Actor("e.diaz@platform.example", "diaz", frozenset({Duty.ENGINEER}))
BY = {"actor": STEWARD, "at": NOW, "reason": "over"}
KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
RAY = "ray@uni.example"
NEW = NewRelease(
    id="0000000a",
    request="a" * 64,
    title="Completion by region",
    researcher=RAY,
    purpose="research",
    source="oulad",
    family="oulad",
    access="controlled",
    scope="linked",
    project="dropout",
    k=5,
    m="full",
    item="code_module",
    jurisdictions=("EU",),
    inputs_sha256="b" * 64,
    data_version="c" * 64,
    package_sha256="d" * 64,
    frozen_text="{}",
    cut_off=NOW,
    created_at=NOW,
    expires_on=None,
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A workspace's folder with its registry key, and no master key."""
    for name in ("KOHORT_MASTER_KEY", "KOHORT_OLD_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    create_keys(tmp_path)
    return tmp_path


def lay(registry, *, out=True, key=None, **changes):
    """Reserve a release, and publish it."""
    new, members = replace(NEW, **changes), pl.DataFrame(schema=MEMBER_SCHEMA)
    reserve(registry, new, members=members, classes={}, seen=head(registry), key=key,
            actor=ENGINEER, at=NOW)  # fmt: skip
    if out:
        published(registry, new.id, seen=head(registry), actor=ENGINEER, at=NOW, supersedes=[])


def end(registry, ident=NEW.id):
    """Recall a release."""
    recall(registry, ident, reason="over", actor=STEWARD, at=NOW)


def key_for(registry, root, made=KEY, project="dropout"):
    """The key of the project, for a build."""
    return project_key_for(registry, root, project, lambda n: made[:n], actor=ENGINEER, at=NOW)


def events(registry, *of):
    """What is on record of keys of these kinds; but for the registry's, where none is named."""
    columns = (KeyEvent.kind, KeyEvent.name, KeyEvent.key_id, KeyEvent.event, KeyEvent.reason)
    with registry.connect() as connection:
        found = connection.execute(select(*columns).order_by(KeyEvent.id))
        return [tuple(row) for row in found if row.kind in (of or ("project", "release"))]


def kinds(registry):
    """What was done, but for releases."""
    with registry.connect() as connection:
        found = connection.execute(select(Action.kind, Action.subject).order_by(Action.id))
        return [tuple(row) for row in found if not row.kind.startswith("release.")]


def states(registry, root):
    """How each key lies."""
    return [(one.kind, one.name, one.state) for one in key_inventory(registry, root)]


@pytest.fixture(autouse=True)
def the_chain_holds(registry):
    """After each test every row is sealed by an entry."""
    yield
    assert verify_chain(registry).broken is None


def test_what_became_of_keys(registry, root):
    """A key is told by its id, from its making to its end; a name may have another one then."""
    with changing(registry) as change:
        for project, key in (("a", KEY), ("b", OTHER)):
            key_created(change, "project", project, key, actor=STEWARD, at=NOW)
        assert key_destroyed(change, "project", "a", **BY) == key_id(KEY)
        key_created(change, "project", "a", OTHER, actor=STEWARD, at=NOW)
        assert key_destroyed(change, "release", "0000000a", **BY, key=KEY) == key_id(KEY)
        assert key_destroyed(change, "release", "0000000b", **BY) == ""
        change.record(STEWARD, "key.test", "keys", at=NOW)
    told = [(o.kind, o.name, o.key_id, o.made_at, o.destroyed_at) for o in key_history(registry)]
    assert told == [
        ("project", "a", key_id(KEY), NOW, NOW),
        ("project", "b", key_id(OTHER), NOW, None),
        ("project", "a", key_id(OTHER), NOW, None),
        ("release", "0000000a", key_id(KEY), None, NOW),
        ("release", "0000000b", "", None, NOW),
    ]


def test_a_projects_key_is_made_once_and_recorded(registry, root):
    """The next build gets the same, and records nothing."""
    assert key_for(registry, root) == key_for(registry, root, OTHER) == KEY
    assert events(registry) == [("project", "dropout", key_id(KEY), "created", None)]
    assert kinds(registry) == [("key.create", "project dropout")]


def test_a_key_from_before_keys_were_recorded(registry, root):
    """Or of a build that was killed before the record: it is recorded by the next."""
    make_project_key(root, "dropout", lambda _: KEY)
    lay(registry)
    assert key_for(registry, root, OTHER) == KEY
    assert events(registry) == [("project", "dropout", key_id(KEY), "created", None)]


def test_many_builds_at_once_have_one_key(registry, root):
    """And one record of it."""
    together, got = threading.Barrier(6), []

    def build():
        together.wait()
        got.append(project_key_for(registry, root, "dropout", os.urandom, actor=ENGINEER, at=NOW))

    threads = [threading.Thread(target=build) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(got), set(got)) == (6, {project_key(root, "dropout")})
    assert [event for *_, event, _ in events(registry)] == ["created"]


def test_a_lost_key_is_not_made_anew(registry, root):
    """Whoever is in a live release would have another name in the next; recorded or older."""
    key_for(registry, root)
    (root / "keys/project-dropout.key").unlink()
    lay(registry, project="older")
    for project in ("dropout", "older"):
        with pytest.raises(SettingsError, match=f"kohort key destroy-project {project}"):
            key_for(registry, root, OTHER, project)
        assert project_key(root, project) is None


def test_two_workspaces_of_a_team(registry, root, tmp_path_factory):
    """The second brings the key of the first; a key of its own is refused, and not kept."""
    second = tmp_path_factory.mktemp("second")
    create_keys(second)
    key_for(registry, root)
    with pytest.raises(SettingsError, match="from the workspace that made it"):
        key_for(registry, second, OTHER)
    write_secret(second, "project-dropout", OTHER, replace=False)
    with pytest.raises(SettingsError, match=f"on record is {key_id(KEY)}"):
        key_for(registry, second)
    assert project_key(second, "dropout") == OTHER, "it was there before: it stays"
    told = [(one.state, one.key_id) for one in key_inventory(registry, second)][1:]
    assert told == [("missing", key_id(KEY)), ("plain", key_id(OTHER))]
    write_secret(second, "project-dropout", KEY, replace=True)
    assert key_for(registry, second, OTHER) == KEY


def test_two_workspaces_at_the_same_moment(registry, root, tmp_path_factory):
    """One makes the key; the other makes none, and is told to bring it."""
    second = tmp_path_factory.mktemp("second")
    create_keys(second)
    together, refused = threading.Barrier(2), []

    def build(place, key):
        together.wait()
        try:
            key_for(registry, place, key)
        except SettingsError as error:
            refused.append(str(error))

    both = [threading.Thread(target=build, args=one) for one in ((root, KEY), (second, OTHER))]
    for each in both:
        each.start()
    for each in both:
        each.join()
    (said,) = refused
    assert "from the workspace that made it" in said
    (made,) = {project_key(root, "dropout"), project_key(second, "dropout")} - {None}
    assert events(registry) == [("project", "dropout", key_id(made), "created", None)]


def test_destroying_the_key_of_a_project(registry, root):
    """All its releases lose it; the next one gets another, and they stay without."""
    key_for(registry, root)
    for ident in ("0000000a", "0000000b", "0000000c"):
        lay(registry, id=ident, out=ident != "0000000c")
    failed(registry, "0000000c", actor=ENGINEER, at=NOW)
    end(registry, "0000000a")
    with pytest.raises(RegistryError, match="release 0000000b has not ended"):
        destroy_project_key(registry, root, "dropout", **BY)
    assert project_key(root, "dropout") == KEY
    end(registry, "0000000b")
    gone = destroy_project_key(registry, root, "dropout", **BY)
    assert gone == ["0000000a", "0000000b"]
    assert [release(registry, one).key_destroyed for one in (*gone, "0000000c")] == [1, 1, 0]
    assert project_key(root, "dropout") is None
    assert events(registry)[-1] == ("project", "dropout", key_id(KEY), "destroyed", "over")
    assert kinds(registry)[-1] == ("key.destroy", "project dropout")
    with pytest.raises(RegistryError, match="destroyed already"):
        destroy_project_key(registry, root, "dropout", **BY)
    assert key_for(registry, root, OTHER) == OTHER
    lay(registry, id="0000000d")
    assert states(registry, root)[1:] == [
        ("project", "dropout", "destroyed"),
        ("project", "dropout", "plain"),
    ]
    end(registry, "0000000d")
    assert destroy_project_key(registry, root, "dropout", **BY) == ["0000000d"]


def test_a_key_that_was_lost_or_never_recorded_is_given_up(registry, root):
    """With its file or without, the record says that there is none."""
    lay(registry)
    end(registry)
    assert destroy_project_key(registry, root, "dropout", **BY) == [NEW.id]
    make_project_key(root, "second", lambda _: OTHER)
    lay(registry, id="0000000b", project="second")
    end(registry, "0000000b")
    destroy_project_key(registry, root, "second", **BY)
    assert [row[1:4] for row in events(registry)] == [
        ("dropout", "", "destroyed"),
        ("second", key_id(OTHER), "destroyed"),
    ]
    assert project_key(root, "second") is None


def test_refusals(registry, root):
    """By role, by name, without a reason; what was typed is not repeated."""
    with pytest.raises(RoleError):
        destroy_project_key(registry, root, "dropout", **BY | {"actor": ENGINEER})
    with pytest.raises(RoleError):
        destroy_registry_key(registry, root, **BY | {"actor": ENGINEER})
    with pytest.raises(RegistryError, match="PROJECT: no project of this name") as refused:
        destroy_project_key(registry, root, "../learner17", **BY)
    assert "learner17" not in str(refused.value)
    lay(registry)
    end(registry)
    for reason in (" ", "a\x00b"):
        with pytest.raises(RegistryError, match="say why"):
            destroy_project_key(registry, root, "dropout", **BY | {"reason": reason})
    researcher = Actor(RAY, "ray", frozenset({Duty.RESEARCHER}))
    for change in (seal_keys, unseal_keys):
        with pytest.raises(RoleError):
            change(registry, root, actor=researcher, at=NOW)
    assert events(registry) == []


def test_the_record_of_a_destruction_comes_before_it(registry, root):
    """What is cut off in between is finished by recovery, once."""
    lay(registry, scope="release", project=None, key=KEY)
    store_release_key(root, NEW.id, KEY)
    end(registry)

    def cut_off(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        destroy_key(registry, NEW.id, **BY, destroy=cut_off)
    assert release(registry, NEW.id).key_destroyed
    assert release_key(root, NEW.id) == KEY
    (entry,) = [one for one in key_inventory(registry, root) if one.kind == "release"]
    assert (entry.state, entry.key_id, entry.destroyed_at) == ("plain", key_id(KEY), NOW)
    (root / "keys/.kohort-cut").write_bytes(OTHER)
    assert [finish_destructions(registry, root) for _ in range(2)] == [1, 0]
    assert [file.name for file in (root / "keys").iterdir()] == ["registry.key"]
    assert release_key(root, NEW.id) is None
    assert states(registry, root)[1:] == [("release", NEW.id, "destroyed")]


def test_recovery_leaves_every_other_key(registry, root):
    """A project's next key, on record or not yet, and whatever is not destroyed."""
    key_for(registry, root)
    lay(registry)
    end(registry)
    store_release_key(root, "0000000b", OTHER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.governance.key_destruction.remove_secret", lambda *_, **__: None)
        destroy_project_key(registry, root, "dropout", **BY)
    assert finish_destructions(registry, root) == 1
    make_project_key(root, "dropout", lambda _: OTHER)
    assert finish_destructions(registry, root) == 0
    assert key_for(registry, root) == OTHER
    assert finish_destructions(registry, root) == 0
    assert release_key(root, "0000000b") == OTHER


def test_the_next_build_does_not_use_a_destroyed_key(registry, root):
    """Whose file outlived its destruction."""
    key_for(registry, root)
    lay(registry)
    end(registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.governance.key_destruction.remove_secret", lambda *_, **__: None)
        destroy_project_key(registry, root, "dropout", **BY)
    assert project_key(root, "dropout") == KEY
    assert key_for(registry, root, OTHER) == OTHER


def test_a_backup_brings_back_no_destroyed_key(registry, root):
    """Nor one before the last: the next build makes a third, and recovery removes either."""
    for ident, key in (("0000000a", KEY), ("0000000b", OTHER)):
        key_for(registry, root, key)
        lay(registry, id=ident)
        end(registry, ident)
        destroy_project_key(registry, root, "dropout", **BY)
    for key in (KEY, OTHER):
        write_secret(root, "project-dropout", key, replace=False)
        assert finish_destructions(registry, root) == 1
    write_secret(root, "project-dropout", KEY, replace=False)
    assert key_for(registry, root, bytes(32)) == bytes(32)


def test_a_key_that_is_destroyed_while_a_build_asks_for_it(registry, root):
    """The build gets the next one."""
    lay(registry)
    end(registry)
    make_project_key(root, "dropout", lambda _: KEY)

    def overtaken(engine):
        destroy_project_key(registry, root, "dropout", **BY)
        write_secret(root, "project-dropout", KEY, replace=False)  # its removal was cut off
        return changing(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.governance.key_events.changing", overtaken)
        assert key_for(registry, root, OTHER) == OTHER
    assert [row[2:4] for row in events(registry)] == [
        (key_id(KEY), "destroyed"),
        (key_id(OTHER), "created"),
    ]


def test_a_key_that_was_destroyed_unknown_does_not_come_back(registry, root):
    """Where neither record nor file told which it was, no file from before is used again."""
    lay(registry)
    end(registry)
    assert destroy_project_key(registry, root, "dropout", **BY) == [NEW.id]
    assert events(registry)[-1][2:4] == ("", "destroyed")
    write_secret(root, "project-dropout", KEY, replace=False)
    assert states(registry, root)[1:] == [("project", "dropout", "plain")]
    assert [finish_destructions(registry, root) for _ in range(2)] == [1, 0]
    assert project_key(root, "dropout") is None
    write_secret(root, "project-dropout", KEY, replace=False)
    assert key_for(registry, root, OTHER) == OTHER
    assert finish_destructions(registry, root) == 0
    assert key_for(registry, root) == OTHER
    write_secret(root, "project-dropout", KEY, replace=True)
    with pytest.raises(SettingsError, match="on record is"):
        key_for(registry, root)
    assert finish_destructions(registry, root) == 1
    write_secret(root, "project-dropout", OTHER, replace=False)
    lay(registry, id="0000000b")
    end(registry, "0000000b")
    destroy_project_key(registry, root, "dropout", **BY)
    write_secret(root, "project-dropout", KEY, replace=False)
    assert key_for(registry, root, bytes(32)) == bytes(32), "nor after the next was destroyed"


def test_another_workspaces_key_was_destroyed_in_its_place(registry, root):
    """It was never on record, so the file may have been a wrong one: the right one is no key."""
    lay(registry)
    end(registry)
    make_project_key(root, "dropout", lambda _: OTHER)
    destroy_project_key(registry, root, "dropout", **BY)
    write_secret(root, "project-dropout", KEY, replace=False)
    assert key_for(registry, root, bytes(32)) == bytes(32)


def test_many_builds_after_an_unknown_key_was_destroyed(registry, root):
    """None takes what another just makes for a key that came back."""
    lay(registry)
    end(registry)
    destroy_project_key(registry, root, "dropout", **BY)
    write_secret(root, "project-dropout", KEY, replace=False)
    together, got = threading.Barrier(6), []

    def build():
        together.wait()
        finish_destructions(registry, root)
        got.append(project_key_for(registry, root, "dropout", os.urandom, actor=ENGINEER, at=NOW))

    threads = [threading.Thread(target=build) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(got), set(got)) == (6, {project_key(root, "dropout")})
    assert KEY not in got


def test_a_releases_key_that_was_destroyed_unknown_does_not_come_back(registry, registry_url, root):
    """From before keys were recorded, its file missing: a restored one proves nothing, and goes."""
    address = registry_url.render_as_string(hide_password=False)
    policy = Policy(purposes=("research",), recipients=("*",), legal_bases=("consent",))
    lay(registry, scope="release", project=None)
    end(registry)
    destroy_key(registry, NEW.id, **BY, destroy=lambda ident: destroy_release_key(root, ident))
    assert events(registry) == [("release", NEW.id, "", "destroyed", "over")]
    store_release_key(root, NEW.id, KEY)
    place = Workspace(root, {}, policy, {}, address)
    assert pseudonyms_of(place, release(registry, NEW.id), {"ada"}, package=None) is None
    assert [finish_destructions(registry, root) for _ in range(2)] == [1, 0]
    assert release_key(root, NEW.id) is None


def test_a_proof_of_absence_needs_the_very_key(registry, registry_url, root):
    """Destroyed, nobody can tell; lost, or another's, is a fault to mend, and proves nothing."""
    address = registry_url.render_as_string(hide_password=False)
    policy = Policy(purposes=("research",), recipients=("*",), legal_bases=("consent",))
    workspace = Workspace(root, {}, policy, {}, address)

    def prove(ident):
        return pseudonyms_of(workspace, release(registry, ident), {"ada"}, package=None)

    key_for(registry, root)
    lay(registry)
    lay(registry, id="0000000b", scope="release", project=None, key=KEY)
    for ident, secret, give_up in (
        (NEW.id, "project-dropout", "key destroy-project dropout"),
        ("0000000b", "release-0000000b", "release destroy-key 0000000b"),
    ):
        write_secret(root, secret, KEY, replace=ident == NEW.id)
        assert len(prove(ident)) == 1
        write_secret(root, secret, OTHER, replace=True)
        with pytest.raises(SettingsError, match=f"keys/{secret}.key from your backup"):
            prove(ident)
        remove_secret(root, secret)
        with pytest.raises(SettingsError, match=f"`kohort {give_up}`"):
            prove(ident)
        end(registry, ident)
    destroy_project_key(registry, root, "dropout", **BY)
    assert key_for(registry, root, OTHER) == OTHER
    assert prove(NEW.id) is None, "the next key of the project is not its"
    destroy_key(registry, "0000000b", **BY, destroy=lambda _: None)
    assert prove("0000000b") is None


def test_destroying_the_registry_key(registry, root):
    """Only when nobody has a release any more; what it was about is of nobody then."""
    lay(registry, scope="release", project=None)
    end(registry)
    with pytest.raises(RegistryError, match=f"release {NEW.id} is live"):
        destroy_registry_key(registry, root, **BY)
    confirm(registry, NEW.id, recipient=RAY, actor=STEWARD, at=NOW)
    known = key_id(registry_key(root))
    write_secret(root, "registry-next", registry_key(root) + KEY, replace=False)
    destroy_registry_key(registry, root, **BY)
    assert list((root / "keys").iterdir()) == []
    with pytest.raises(SettingsError, match="the registry key is missing"):
        registry_key(root)
    assert events(registry, "registry") == [
        ("registry", "", known, "created", None),
        ("registry", "", known, "destroyed", "over"),
    ]
    assert states(registry, root) == [("registry", "", "destroyed")]
    with pytest.raises(RegistryError, match="destroyed already"):
        destroy_registry_key(registry, root, **BY)
    create_keys(root)  # as a backup brings it back
    assert finish_destructions(registry, root) == 1


def test_what_keys_there_are(registry, root, monkeypatch):
    """On record or not, here or missing, told by their files where nothing else does."""
    key_for(registry, root)
    make_project_key(root, "old", lambda _: OTHER)
    lay(registry, scope="release", project=None, key=KEY)
    lay(registry, id="0000000b", scope="release", project=None, key=OTHER)
    store_release_key(root, "0000000b", OTHER)
    store_release_key(root, "0000000c", KEY)
    write_secret(root, "stray", KEY, replace=False)
    told = [
        ("registry", "", "plain", key_id(registry_key(root)), None),
        ("project", "dropout", "plain", key_id(KEY), NOW),
        ("project", "old", "plain", key_id(OTHER), None),
        ("release", "0000000a", "missing", key_id(KEY), NOW),
        ("release", "0000000b", "plain", key_id(OTHER), NOW),
        ("release", "0000000c", "plain", key_id(KEY), None),
        ("other", "stray", "plain", key_id(KEY), None),
    ]
    found = key_inventory(registry, root)
    assert [(o.kind, o.name, o.state, o.key_id, o.made_at) for o in found] == told
    monkeypatch.setenv("KOHORT_MASTER_KEY", "A" * 43 + "=")
    done = seal_keys(registry, root, actor=ENGINEER, at=NOW)
    assert {one.sealed_by for one in key_inventory(registry, root)} == {None, done.master}
    monkeypatch.delenv("KOHORT_MASTER_KEY")
    shut = [row if row[4] else (*row[:3], None, None) for row in told]
    shut = [(k, n, "sealed" if s == "plain" else s, i, m) for k, n, s, i, m in shut]
    found = key_inventory(registry, root)
    assert [(o.kind, o.name, o.state, o.key_id, o.made_at) for o in found] == shut


def test_sealing_is_on_record(registry, root, monkeypatch):
    """How many files, and the master key by its id; a repeated run is recorded, too."""
    monkeypatch.setenv("KOHORT_MASTER_KEY", "A" * 43 + "=")
    key_for(registry, root)
    master = seal_keys(registry, root, actor=ENGINEER, at=NOW).master
    seal_keys(registry, root, actor=STEWARD, at=NOW)
    unseal_keys(registry, root, actor=ENGINEER, at=NOW)
    with registry.connect() as connection:
        told = connection.execute(select(Action.kind, Action.detail).order_by(Action.id)).all()
    assert [tuple(row) for row in told if row.kind != "key.create"] == [
        ("key.seal", f"2 files under master key {master}, 1 of them since this"),
        ("key.seal", f"2 files under master key {master}, 0 of them since this"),
        ("key.unseal", "2 files plain, 2 of them since this"),
    ]


def test_a_release_key_is_gone_without_its_master_key(registry, root, monkeypatch):
    """Who lost the master key can still destroy what he can't read."""
    monkeypatch.setenv("KOHORT_MASTER_KEY", "A" * 43 + "=")
    lay(registry, scope="release", project=None, key=KEY)
    store_release_key(root, NEW.id, KEY)
    monkeypatch.delenv("KOHORT_MASTER_KEY")
    end(registry)
    destroy_key(registry, NEW.id, **BY, destroy=lambda ident: destroy_release_key(root, ident))
    assert not (root / f"keys/release-{NEW.id}.key").exists()
