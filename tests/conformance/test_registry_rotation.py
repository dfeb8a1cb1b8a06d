"""The registry's key on every database: which one is in force, its rotation, kills and races."""

import multiprocessing
import os
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest
from sqlalchemy import make_url, select, update

from anonymizer.eligibility import State
from pipelines.errors import RegistryError, RightsError, RoleError, SettingsError
from pipelines.governance import registry_keys, rewriting
from pipelines.governance.audit import verify_chain
from pipelines.governance.chain import Change, changing
from pipelines.governance.database import open_registry
from pipelines.governance.erasure import erase
from pipelines.governance.key_destruction import destroy_project_key, destroy_registry_key
from pipelines.governance.key_events import finish_destructions, key_destroyed
from pipelines.governance.registry_keys import (
    Rotated,
    names_somebody,
    record_registry_key,
    registry_key_of,
    rotate_registry_key,
)
from pipelines.governance.releases import share
from pipelines.governance.rights import Statement, history, import_rights, set_state
from pipelines.governance.rights_file import COLUMNS
from pipelines.governance.tables import (
    Action,
    KeyEvent,
    Release,
    ReleaseMember,
    RightsRecord,
)
from pipelines.keys import (
    NEXT_REGISTRY,
    create_keys,
    key_id,
    read_secret,
    registry_key,
    remove_secret,
    write_secret,
)
from pipelines.people import EVERY_DUTY, Actor, Duty
from schemas.policy import Policy
from tests.idworld import make_workspace
from tests.reference.registry_key import layered
from tests.smallworld import run

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SAM = Actor("sam@uni.example", "sam", EVERY_DUTY)
PEOPLE = [f"learner{n}" for n in range(12)]
POLICY = Policy(purposes=("research",), recipients=("*",), legal_bases=("consent",))
WITHDRAWN = Statement(State.WITHDRAWN, "research", "*", NOW)
PROCESSES = multiprocessing.get_context("fork")
"""A child has no thread of its parent's, and a rotation needs none."""

LONGEST = 60

# Other tests of this process have threads, those of JAX among them, that no rotation needs.
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning", "ignore:os.fork:RuntimeWarning"
)


@pytest.fixture
def root(registry, tmp_path):
    """A workspace's folder; its registry knows some people, and two releases show them."""
    create_keys(tmp_path)
    record_registry_key(registry, tmp_path, actor=SAM, at=NOW)
    lines = [f"{one},research,*,granted,consent,EU,v1,2024-01-01,,portal" for one in PEOPLE]
    lines += ["learner3,*,*,withdrawn,,,,2024-01-01,,mail", "gone,*,*,erased,,,,2024-01-01,,mail"]
    load(registry, tmp_path, *lines)
    with changing(registry) as change:
        change.add(RightsRecord, source_basis())
        for name in ("aaaaaaaa", "bbbbbbbb"):
            lay_release(change, name, registry_key(tmp_path))
        change.record(SAM, "tests.lay", "releases", at=NOW)
    return tmp_path


def load(registry, root, *lines, key=None):
    """Import these lines, under this key or the one in force."""
    file = root / "rights.csv"
    file.write_text("\n".join([",".join(COLUMNS), *lines]), encoding="utf-8")
    own = key or registry_key_of(registry, root)
    return import_rights(registry, file, registry_key=own, received_at=NOW, actor=SAM)


def source_basis():
    """A record of all learners of a source: it has no digest."""
    said = {"source": "oulad", "purpose": "*", "scope": "*", "state": "granted"}
    return said | {"effective_from": NOW, "received_at": NOW}


def lay_release(change, name, key):
    """Record a release that shows everybody, some with two items."""
    columns = (column.name for column in Release.__table__.c if column.name != "entry")
    row = dict.fromkeys(columns, "x") | {"id": name, "k": 5, "cut_off": NOW, "created_at": NOW}
    change.add(Release, row | {"expires_on": None})
    shown = sorted((layered(key, one.encode()), item) for one in PEOPLE for item in ("x", "y"))
    columns = ("release", "learner", "item", "class_number")
    change.add_rows(ReleaseMember, columns, ((name, *one, 0) for one in shown[1:]))


def rotate(registry, root, *, reason="a key was lost", actor=SAM):
    """Rotate the key."""
    return rotate_registry_key(
        registry, root, randomness=os.urandom, actor=actor, at=NOW, reason=reason
    )


def untouched(registry):
    """What a rotation leaves of the tables that it rewrites: all but digest, salt and entry."""
    told = []
    with registry.connect() as connection:
        for table in (RightsRecord.__table__, ReleaseMember.__table__):
            columns = [c for c in table.c if c.name not in {"learner", "salt", "entry"}]
            told.append(sorted(map(repr, connection.execute(select(*columns)))))
    return told


def salts(registry):
    """Those of all rows that have a learner."""
    with registry.connect() as connection:
        tables = (RightsRecord.__table__, ReleaseMember.__table__)
        queries = [select(t.c.salt).where(t.c.learner.is_not(None)) for t in tables]
        return {salt for query in queries for salt in connection.scalars(query)}


def test_an_old_key_tests_no_guess_against_old_entries(registry, root):
    """The salts of rows are drawn anew: what an old entry has of a row can't be made again."""
    before = salts(registry)
    rotate(registry, root)
    after = salts(registry)
    assert None not in before | after
    assert before.isdisjoint(after)


def known(registry):
    """Rights records and members of releases: id or place -> digest."""
    with registry.connect() as connection:
        records = connection.execute(select(RightsRecord.id, RightsRecord.learner)).all()
        members = select(ReleaseMember.release, ReleaseMember.item, ReleaseMember.learner)
        return dict(map(tuple, records)), sorted(map(tuple, connection.execute(members)))


def expected(key):
    """What `known` is under this key."""
    told = [*PEOPLE, "learner3", "gone"]
    records = {n: layered(key, one.encode()) for n, one in enumerate(told, start=1)}
    digests = sorted(layered(key[:32], one.encode()) for one in PEOPLE)
    first = digests[0]  # whoever lost his first item when the release was laid
    members = [
        (name, item, layered(key, one.encode()))
        for name in ("aaaaaaaa", "bbbbbbbb")
        for one in PEOPLE
        for item in ("x", "y")
        if (layered(key[:32], one.encode()), item) != (first, "x")
    ]
    return records | {len(told) + 1: None}, sorted(members)


def test_every_digest_is_rewritten(registry, root):
    """Twice over: rows stay, digests are those of the longer key, and the chain answers for all."""
    first = registry_key(root)
    assert known(registry) == expected(first)
    for layers in (2, 3):
        before = untouched(registry)
        done = rotate(registry, root)
        key = registry_key_of(registry, root)
        assert (key[:32], len(key)) == (first, 32 * layers)
        assert key == registry_key(root)
        assert read_secret(root, NEXT_REGISTRY) is None
        assert known(registry) == expected(key)
        assert done == Rotated(records=14, members=46, key_id=key_id(key))
        assert verify_chain(registry).broken is None
        assert untouched(registry) == before
    with registry.connect() as connection:
        events = connection.execute(
            select(KeyEvent.event, KeyEvent.reason).order_by(KeyEvent.id)
        ).all()
        said = connection.scalars(
            select(Action.detail).where(Action.kind == "key.rotate").order_by(Action.id)
        ).all()
    assert events == [("created", None), *[("rotated", "a key was lost")] * 2]
    assert said[-1] == f"to {key_id(key)}: 14 records, 46 rows of releases; a key was lost"


def test_the_order_of_rows_forgets_the_old_key(registry, root):
    """Members lie in the order of the new digests, as if they had been recorded under them."""
    rotate(registry, root)
    place = "ctid" if registry.dialect.name == "postgresql" else "rowid"
    with registry.connect() as connection:
        query = f"SELECT release, learner, item FROM release_member ORDER BY {place}"
        found = [tuple(row) for row in connection.exec_driver_sql(query)]
    assert found == sorted(found)


def test_what_was_said_holds_on(registry, root):
    """A withdrawal and its history are found; who was erased stays so, and is imported by none."""
    rotate(registry, root)
    key = registry_key_of(registry, root)
    digest = layered(key, b"learner3")
    assert [one.state for one in history(registry, [digest])] == ["granted", "withdrawn"]
    with pytest.raises(RightsError, match="was erased"):
        load(registry, root, "gone,research,*,granted,consent,EU,v1,2024-01-01,,portal")
    load(registry, root, "new,research,*,denied,,EU,v1,2024-01-01,,portal")
    assert [one.state for one in history(registry, [layered(key, b"new")])] == ["denied"]


def test_a_registry_without_anybody(registry, tmp_path):
    """A rotation needs no learner; the key from before is refused."""
    create_keys(tmp_path)
    first = registry_key(tmp_path)
    assert registry_key_of(registry, tmp_path) == first
    done = rotate(registry, tmp_path)
    assert (done.records, done.members) == (0, 0)
    assert registry_key_of(registry, tmp_path)[:32] == first
    replace_key(tmp_path, first)
    with pytest.raises(SettingsError, match="not the one that this registry was made under"):
        registry_key_of(registry, tmp_path)


def test_an_upgraded_registry_remembers_the_first_key_that_is_used(registry, tmp_path):
    """It believes the file once; with keys/ of another workspace no tombstone is overlooked."""
    create_keys(tmp_path)
    load(registry, tmp_path, "gone,*,*,erased,,,,2024-01-01,,mail", key=registry_key(tmp_path))
    first = registry_key_of(registry, tmp_path)
    assert registry_key_of(registry, tmp_path) == first
    assert on_record(registry) == [("created", key_id(first), "kohort")]
    with registry.connect() as connection:
        entry = select(Action.actor, Action.kind, Action.subject, Action.detail)
        said = connection.execute(entry.order_by(Action.id.desc()).limit(1)).one()
    assert said == ("kohort", "key.create", "registry", f"{key_id(first)}, as found")
    assert verify_chain(registry).broken is None
    replace_key(tmp_path, bytes(32))
    line = "gone,research,*,granted,consent,EU,v1,2024-01-01,,portal"
    for use in (registry_key_of, rotate, partial(load, key=None)):
        with pytest.raises(SettingsError, match="not the one that this registry was made under"):
            use(registry, tmp_path, *([line] if use not in {registry_key_of, rotate} else []))
    with pytest.raises(RegistryError, match="rotated in the meantime"):
        load(registry, tmp_path, line, key=bytes(32))
    replace_key(tmp_path, first)
    with pytest.raises(RightsError, match="was erased"):
        load(registry, tmp_path, line)


def test_two_first_uses_at_once(registry, tmp_path):
    """Of two workspaces with two keys, one is believed; of its many commands, one records it."""
    places = [make_folder(tmp_path / name) for name in ("one", "other")]
    for place in places:
        create_keys(place)
    together, got, refused = threading.Barrier(6), [], []

    def use(place):
        together.wait()
        try:
            got.append(registry_key_of(registry, place))
        except SettingsError:
            refused.append(place)

    threads = [threading.Thread(target=use, args=(place,)) for place in places * 3]
    for each in threads:
        each.start()
    for each in threads:
        each.join(LONGEST)
    (key,) = set(got)
    assert (len(got), len(set(refused)), len(refused)) == (3, 1, 3)
    assert on_record(registry) == [("created", key_id(key), "kohort")]


def on_record(registry):
    """What is on record of the registry's key."""
    columns = (KeyEvent.event, KeyEvent.key_id, KeyEvent.actor)
    with registry.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(KeyEvent.id))]


def test_recovery_clears_up_after_a_rotation(registry, root):
    """Cut off before its commit or after it: nothing of the next key stays in its own file."""
    for point, committed in (("record 1", False), ("changing 2", True), ("remove_secret 2", True)):
        first = registry_key(root)
        with pytest.MonkeyPatch.context() as patch:
            with cut_at(point, fail, patch), pytest.raises(CutOffError):
                rotate(registry, root)
            assert read_secret(root, NEXT_REGISTRY) is not None
        assert [finish_destructions(registry, root) for _ in range(2)] == [1, 0]
        assert read_secret(root, NEXT_REGISTRY) is None
        check_whole(registry, root, first, committed=committed)


def test_recovery_leaves_what_a_wrong_key_may_need(registry, root):
    """With another workspace's key, a pending one stays, and the line says what to do."""
    replace_key(root, bytes(32))
    write_secret(root, NEXT_REGISTRY, bytes(64), replace=False)
    with pytest.raises(SettingsError, match="restore keys/ and the registry"):
        finish_destructions(registry, root)
    assert read_secret(root, NEXT_REGISTRY) == bytes(64)


NAMED = [
    "learner3",
    "of learner3.",
    "(learner3)",
    "id=learner3;",
    "learner3's letter",
    "a/learner3",
]


def test_a_reason_that_names_somebody(registry, root):
    """Whoever has a record or is in a release; what is refused is not repeated."""
    load(
        registry, root, "gone2,*,*,erased,,,,2024-01-01,,mail", "1001.0,*,*,denied,,,,2024-01-01,,m"
    )
    rotate(registry, root)
    before = known(registry)
    for text in (*NAMED, "gone2", "x " * 5000 + "learner3"):
        assert names_somebody(registry, root, text), text
        by = {"reason": text, "actor": SAM, "at": NOW}
        for use in (
            partial(rotate, reason=text),
            partial(destroy_project_key, project="x", **by),
            partial(destroy_registry_key, **by),
        ):
            with pytest.raises(RegistryError, match="--reason: holds the id of a learner") as told:
                use(registry, root)
            assert "learner3" not in str(told.value)
    assert known(registry) == before
    # Four digits, as its canonical id has, may be a year.
    assert not names_somebody(registry, root, "1001.0")


def test_a_release_knows_whom_it_shows(registry, root):
    """A member without a record is somebody, too."""
    with changing(registry) as change:
        columns = ("release", "learner", "item", "class_number")
        digest = layered(registry_key(root), b"shown1")
        change.add_rows(ReleaseMember, columns, [("aaaaaaaa", digest, "z", 0)])
        change.record(SAM, "tests.lay", "a member", at=NOW)
    assert names_somebody(registry, root, "for shown1")


def test_a_reason_that_names_nobody(registry, root):
    """Words, unknown ids; and all of them where nobody can tell any more."""
    for text in ("", "a laptop was lost", "learner33", "learner 3", "2024"):
        assert not names_somebody(registry, root, text)
    key = registry_key(root)
    remove_secret(root, "registry")
    assert not names_somebody(registry, root, "learner3")
    replaced = bytes(32)
    write_secret(root, "registry", replaced, replace=False)
    with pytest.raises(SettingsError, match="not the one"):
        names_somebody(registry, root, "learner3")
    replace_key(root, key)
    with changing(registry) as change:
        key_destroyed(change, "registry", "", actor=SAM, at=NOW, reason="the end")
        change.record(SAM, "key.destroy", "registry", at=NOW)
    assert not names_somebody(registry, root, "learner3")


def replace_key(root, key):
    """As a wrong backup would."""
    write_secret(root, "registry", key, replace=True)


def test_a_key_of_another_registry_is_refused(registry, root):
    """For reading as for rotating; a pending one that is not on record helps nobody."""
    before = known(registry)
    replace_key(root, bytes(32))
    for pending in (None, bytes(64)):
        if pending is not None:
            write_secret(root, NEXT_REGISTRY, pending, replace=False)
        for use in (registry_key_of, rotate):
            with pytest.raises(SettingsError, match="restore keys/ and the registry"):
                use(registry, root)
    assert known(registry) == before


def test_a_missing_and_a_destroyed_key(registry, root):
    """Each is refused in words of its own; of a destroyed one it says since when."""
    key = registry_key(root)
    remove_secret(root, "registry")
    with pytest.raises(SettingsError, match="the registry key is missing"):
        registry_key_of(registry, root)
    write_secret(root, "registry", key, replace=False)
    with changing(registry) as change:
        key_destroyed(change, "registry", "", actor=SAM, at=NOW, reason="the end")
        change.record(SAM, "key.destroy", "registry", at=NOW)
    for use in (registry_key_of, rotate, partial(load, key=key)):
        with pytest.raises(SettingsError, match="destroyed on 2026-06-01 at 12:00 UTC"):
            use(registry, root)


def test_who_may_rotate_and_why(registry, root):
    """A steward, who says why; nothing happens otherwise."""
    before = known(registry)
    with pytest.raises(RoleError, match="steward"):
        rotate(registry, root, actor=Actor("e", "e", frozenset({Duty.ENGINEER})))
    for reason in (" ", "a\x00b"):
        with pytest.raises(RegistryError, match="--reason"):
            rotate(registry, root, reason=reason)
    assert known(registry) == before


def test_what_was_tampered_with_is_not_rewritten(registry, root):
    """A rotation answers for all rows: it would cover up what somebody changed before."""
    with registry.begin() as connection:
        gone = update(RightsRecord).where(RightsRecord.state == "erased")
        connection.execute(gone.values(state="granted"))
    before = known(registry)
    with pytest.raises(RegistryError, match=r"rows of rights_record were changed.*before you"):
        rotate(registry, root)
    assert known(registry) == before
    assert read_secret(root, NEXT_REGISTRY) is None


# Kills and faults: where a rotation may be cut off, and whether it was committed by then.

POINTS = {
    "write_secret 1": False,
    "remove_secret 2": True,
    "_lay_members_anew 1": False,
    "adopt 2": False,
    "add 1": False,
    "record 1": False,
    "commit 1": False,
    "changing 2": True,
    "write_secret 2": True,
}
"""The n-th call of what; `write_secret 2` puts the new key in place, `remove_secret 2` is after."""


class CutOffError(Exception):
    """A fault in the middle."""


@contextmanager
def cut_at(point, what, patch):
    """Do something before the n-th call of a step of a rotation; `commit` is after it recorded."""
    name, number = point.split()
    calls = count(1)

    def stopping(step):
        def stopped(*arguments, **options):
            if next(calls) == int(number):
                what()
            return step(*arguments, **options)

        return stopped

    if name in {"write_secret", "remove_secret", "changing"}:
        patch.setattr(registry_keys, name, stopping(getattr(registry_keys, name)))
    elif name == "_lay_members_anew":
        patch.setattr(rewriting, name, stopping(getattr(rewriting, name)))
    elif name == "commit":
        record = Change.record

        def recorded(*arguments, **options):
            record(*arguments, **options)
            what()

        patch.setattr(Change, "record", recorded)
    else:
        patch.setattr(Change, name, stopping(getattr(Change, name)))
    yield


def fail():
    """A fault of the machine, such as a full disk."""
    raise CutOffError


def kill():
    """End this process as the machine would."""
    os.kill(os.getpid(), signal.SIGKILL)


def rotate_until(point, url, root):
    """In a process of its own: rotate, and be killed there."""
    with pytest.MonkeyPatch.context() as patch, cut_at(point, kill, patch):
        rotate(open_registry(make_url(url)), root)


def check_whole(registry, root, first, *, committed):
    """The old key or the new one is in force, for all digests; and the next rotation works."""
    key = registry_key_of(registry, root)
    assert (key == first) is not committed
    assert key[: len(first)] == first
    assert registry_key(root) == key
    assert known(registry) == expected(key)
    assert verify_chain(registry).broken is None
    rotate(registry, root)
    again = registry_key_of(registry, root)
    assert (again[: len(key)], len(again)) == (key, len(key) + 32)
    assert known(registry) == expected(again)
    assert read_secret(root, NEXT_REGISTRY) is None


def test_a_fault_leaves_the_old_key_or_the_new(registry, root, monkeypatch):
    """Whatever fails, and wherever: what is in force is whole."""
    for point, committed in POINTS.items():
        first = registry_key(root)
        with monkeypatch.context() as patch, cut_at(point, fail, patch), pytest.raises(CutOffError):
            rotate(registry, root)
        check_whole(registry, root, first, committed=committed)


def test_a_kill_leaves_the_old_key_or_the_new(registry, registry_url, root):
    """As a fault, but nothing is unwound."""
    url = registry_url.render_as_string(hide_password=False)
    for point, committed in POINTS.items():
        first = registry_key(root)
        process = PROCESSES.Process(target=rotate_until, args=(point, url, root))
        process.start()
        process.join(LONGEST)
        assert process.exitcode == -signal.SIGKILL, point
        check_whole(registry, root, first, committed=committed)


# Races: digests that were made under a key that is not in force any more.


def test_who_writes_digests_is_told_of_a_rotation(registry, root):
    """An import and a statement under the key from before are refused, and leave nothing."""
    old = registry_key_of(registry, root)
    rotate(registry, root)
    before = known(registry)
    with pytest.raises(RegistryError, match="rotated in the meantime"):
        load(registry, root, "new,research,*,denied,,EU,v1,2024-01-01,,portal", key=old)
    digests = [layered(old, b"new")]
    with pytest.raises(RegistryError, match="run the command again"):
        set_state(registry, digests, WITHDRAWN, registry_key=old, actor=SAM, at=NOW)
    with pytest.raises(RegistryError, match="rotated in the meantime"):
        share(
            registry,
            "aaaaaaaa",
            recipient="r.lee@uni.example",
            policy=POLICY,
            names=None,
            registry_key=old,
            by_course=True,
            actor=SAM,
            at=NOW,
        )
    assert known(registry) == before


def test_an_erasure_under_the_key_from_before(registry, registry_url, tmp_path):
    """No tombstone is written that nobody would recognize."""
    address = registry_url.render_as_string(hide_password=False)
    workspace = replace(make_workspace(tmp_path), server=address)
    old = registry_key_of(registry, workspace.root)
    rotate(registry, workspace.root)
    with pytest.raises(RegistryError, match="rotated in the meantime"):
        erase(
            registry,
            workspace,
            "ada-core",
            actor=SAM,
            at=NOW,
            registry_key=old,
            reason="by letter",
        )
    assert known(registry) == ({}, [])


def test_an_import_waits_for_a_rotation_and_is_refused(registry, root, monkeypatch):
    """It read the key while a rotation was under way, and comes to write when that is done."""
    old = registry_key_of(registry, root)
    rewriting_now, go_on = threading.Event(), threading.Event()
    rewrite = registry_keys.rewrite_digests

    def held(*arguments):
        rewriting_now.set()
        assert go_on.wait(LONGEST)
        return rewrite(*arguments)

    monkeypatch.setattr(registry_keys, "rewrite_digests", held)
    rotating = threading.Thread(target=rotate, args=(registry, root))
    rotating.start()
    assert rewriting_now.wait(LONGEST)
    assert registry_key_of(registry, root) == old  # nobody who reads waits
    threading.Timer(0.2, go_on.set).start()
    with pytest.raises(RegistryError, match="rotated in the meantime"):
        load(registry, root, "new,research,*,denied,,EU,v1,2024-01-01,,portal", key=old)
    rotating.join(LONGEST)
    assert known(registry) == expected(registry_key_of(registry, root))


def rotate_there(url, root, barrier):
    """In a process of its own: rotate when everybody is there."""
    registry = open_registry(make_url(url))
    barrier.wait(LONGEST)
    for _ in range(3):
        rotate(registry, root)


def test_two_who_rotate_at_once(registry, registry_url, root):
    """One after the other: each adds its layers, and no key is lost."""
    first = registry_key(root)
    url = registry_url.render_as_string(hide_password=False)
    barrier = PROCESSES.Barrier(2)
    both = [PROCESSES.Process(target=rotate_there, args=(url, root, barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(LONGEST)
        assert process.exitcode == 0
    key = registry_key_of(registry, root)
    assert (key[:32], len(key)) == (first, 7 * 32)
    assert known(registry) == expected(key)
    assert read_secret(root, NEXT_REGISTRY) is None
    assert verify_chain(registry).broken is None


def test_nothing_tells_a_key_or_a_learner(registry, root):
    """What is recorded of a rotation holds neither key nor digest."""
    rotate(registry, root)
    key = registry_key_of(registry, root)
    with registry.connect() as connection:
        said = str(connection.execute(select(Action.subject, Action.detail)).all())
        said += str(connection.execute(select(KeyEvent.__table__)).all())
    assert not re.search("[0-9a-f]{64}", said)
    assert key.hex()[:16] not in said


def test_a_second_workspace_of_a_team(postgresql, tmp_path):
    """It needs the key of the registry: `kohort init` refuses another, and leaves it there."""
    for name in ("second", "third"):
        create_keys(make_folder(tmp_path / name))
    with postgresql.database() as url:
        address = url.render_as_string(hide_password=False)
        run("init", str(tmp_path / "first"), "--database", address)
        said = run("init", str(tmp_path / "second"), "--database", address, code=6)
        assert "copy keys/ from the workspace that rotated it" in said
        assert len(registry_key(tmp_path / "second")) == 32
        replace_key(tmp_path / "third", registry_key(tmp_path / "first"))
        run("init", str(tmp_path / "third"), "--database", address)


def make_folder(path):
    """A new folder."""
    path.mkdir()
    return path
