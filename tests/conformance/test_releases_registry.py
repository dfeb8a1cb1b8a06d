"""The release registry on both databases: events, states, look-ups, and what a steward may do."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import insert, select

from pipelines.errors import RegistryError, RequestError, RoleError
from pipelines.governance.chain import changing, head
from pipelines.governance.releases import (
    MEMBER_SCHEMA,
    NewRelease,
    ReleaseHappening,
    confirm,
    destroy_key,
    due,
    expire,
    failed,
    given_again,
    members,
    published,
    recall,
    recode_text,
    refuse_later_rights,
    release,
    releases,
    releases_of,
    reserve,
    served_again,
    served_for,
    share,
)
from pipelines.governance.releases.state import Kind
from pipelines.governance.tables import Action, KeyEvent, ReleaseClass, RightsRecord
from pipelines.people import EVERY_DUTY, Actor, Duty
from schemas.declaration import parse_toml
from schemas.policy import Policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
LAST_DAY = TODAY + timedelta(days=30)
STEWARD = Actor("s.ahn@platform.example", "ahn", EVERY_DUTY)
RAY, MEI, LEO = "ray@uni.example", "mei@uni.example", "leo@far.example"
POLICY = parse_toml(
    Policy,
    """
    require_approval = false
    purposes = ["research"]
    recipients = ["*@uni.example", "*@far.example"]
    legal_bases = ["consent"]
    [places]
    "*@uni.example" = "EU"
    "*@far.example" = "US"
    [transfers]
    "*" = ["EU"]
    """,
    subject="policy",
)
NEW = NewRelease(
    id="0000000a",
    request="a" * 64,
    title="Completion by region",
    researcher="Ray@uni.example",
    purpose="research",
    source="oulad",
    family="oulad",
    access="controlled",
    scope="release",
    project=None,
    k=5,
    m="full",
    item="code_module",
    jurisdictions=("EU", "US"),
    inputs_sha256="b" * 64,
    data_version="c" * 64,
    package_sha256="d" * 64,
    frozen_text='{"levels": [1, 2]}',
    cut_off=NOW,
    created_at=NOW,
    expires_on=LAST_DAY,
)
CLASSES = {0: {"region": "*", "age": "0-35"}, 1: {"region": "*", "age": "*"}}


def shown(*rows):
    return pl.DataFrame(rows, schema=MEMBER_SCHEMA, orient="row")


MEMBERS = shown(("1" * 64, "AAA", 0), ("1" * 64, "BBB", 0), ("2" * 64, "", 1))


def keep(registry, new=NEW, who=MEMBERS, *, seen=None, key=None, at=NOW):
    """Reserve a release, on what the registry holds now."""
    since = head(registry) if seen is None else seen
    by = {"actor": STEWARD, "at": at}
    reserve(registry, new, members=who, classes=CLASSES, seen=since, key=key, **by)


def lay(registry, new=NEW, who=MEMBERS, *, out=True, supersedes=()):
    """Reserve a release, and publish it."""
    keep(registry, new, who)
    if out:
        published(
            registry, new.id, seen=head(registry), actor=STEWARD, at=NOW, supersedes=supersedes
        )


def permitting(registry):
    """Everybody in the source permits it; not a step that anybody takes here."""
    row = {"source": "oulad", "purpose": "*", "scope": "*", "state": "granted"}
    row |= {"legal_basis": "consent", "jurisdiction": "*"}
    with registry.begin() as connection:
        when = {"effective_from": NOW, "received_at": NOW}
        connection.execute(insert(RightsRecord), [row | when])
    return registry


def act(registry, words, identity=NEW.id, actor=STEWARD):
    """Do one step, written `recall` or `share mei@uni.example`."""
    name, _, recipient = words.partition(" ")
    by = {"actor": actor, "at": NOW}
    steps = {
        "publish": lambda: published(registry, identity, seen=head(registry), supersedes=[], **by),
        "fail": lambda: failed(registry, identity, **by),
        "supersede": lambda: lay(
            registry, replace(NEW, id=f"{identity[:-1]}f"), MEMBERS, supersedes=[identity]
        ),
        "recall": lambda: recall(registry, identity, reason="a learner was erased", **by),
        "expire": lambda: expire(registry, today=LAST_DAY + timedelta(days=1), **by),
        "share": lambda: share(
            permitting(registry),
            identity,
            recipient=recipient,
            policy=POLICY,
            names=None,
            by_course=True,
            registry_key=bytes(32),
            **by,
        ),
        "confirm": lambda: confirm(registry, identity, recipient=recipient, **by),
        "destroy-key": lambda: destroy_key(
            registry, identity, reason="over", destroy=lambda _: None, **by
        ),
    }
    return steps[name]()


STATES = [
    ([], "reserved", True, [RAY]),
    (["fail"], "failed", False, [RAY]),
    (["publish"], "served", True, [RAY]),
    (["publish", f"share {MEI}"], "served", True, [RAY, MEI]),
    (["publish", "supersede"], "superseded", True, [RAY]),
    (["publish", "supersede", f"confirm {RAY}"], "superseded", False, []),
    (["publish", "supersede", f"confirm {RAY}", "recall"], "recalled", False, []),
    (["publish", "supersede", "recall"], "recalled", True, [RAY]),
    (["publish", "recall"], "recalled", True, [RAY]),
    (["recall"], "recalled", True, [RAY]),
    (["publish", "recall", "confirm RAY@uni.example"], "recalled", False, []),
    (["publish", f"share {MEI}", "recall", f"confirm {RAY}"], "recalled", True, [MEI]),
    (
        ["publish", f"share {MEI}", "recall", f"confirm {MEI}", f"confirm {RAY}"],
        "recalled",
        False,
        [],
    ),
    (["publish", "recall", "expire"], "recalled", True, [RAY]),
    (["publish", "expire"], "expired", True, [RAY]),
    (["publish", "supersede", "expire"], "expired", True, [RAY]),
    (["publish", "expire", f"confirm {RAY}", "destroy-key"], "expired", False, []),
    (["expire"], "expired", True, [RAY]),
    (["publish", "recall", "destroy-key"], "recalled", True, [RAY]),
]
"""Steps; the state they lead to, whether it is live, and who has not confirmed."""

REFUSALS = [
    (["publish"], "publish", RegistryError, "where reserved was expected"),
    (["fail"], "publish", RegistryError, "where reserved was expected"),
    (["fail"], "recall", RegistryError, "only one that may be out"),
    (["publish", "recall"], "recall", RegistryError, "only one that may be out"),
    (["publish", "expire"], "recall", RegistryError, "only one that may be out"),
    (["publish"], f"confirm {RAY}", RegistryError, "recall it first"),
    ([], f"confirm {RAY}", RegistryError, "recall it first"),
    (["publish", "recall"], f"confirm {MEI}", RegistryError, "not a recipient"),
    (["publish", "recall"], "confirm public", RegistryError, "not a recipient"),
    (["publish", "recall", f"confirm {RAY}"], f"confirm {RAY}", RegistryError, "before"),
    ([], f"share {MEI}", RegistryError, "only a served one"),
    (["publish", "recall"], f"share {MEI}", RegistryError, "only a served one"),
    (["publish", "supersede"], f"share {MEI}", RegistryError, "only a served one"),
    (["publish"], "share RAY@uni.example", RegistryError, "already"),
    (["publish", f"share {MEI}"], f"share {MEI}", RegistryError, "already"),
    (["publish"], "share public", RegistryError, "not an address"),
    (["publish"], "share ann@elsewhere.example", RequestError, "not among the policy's"),
    (["publish"], f"share {LEO}", RequestError, "elsewhere"),
    (["publish"], "destroy-key", RegistryError, "recall it first"),
    (["publish", "recall", "destroy-key"], "destroy-key", RegistryError, "already"),
]
"""Steps; the one that is refused after them, how, and in which words."""


def each(registry, table):
    """A reserved release for each line of a table; one database for all is quicker."""
    for number, line in enumerate(table):
        identity = f"{number:07x}0"
        lay(registry, replace(NEW, id=identity), out=False)
        yield identity, line


def test_states(registry):
    """What happened to a release tells its state, whether it is live, and who must confirm."""
    for identity, (steps, *expected) in each(registry, STATES):
        for step in steps:
            act(registry, step, identity)
        found = release(registry, identity)
        assert [found.state, found.live, [*found.outstanding]] == expected, steps
        assert found.served == (found.state == "served"), steps
        assert found.key_destroyed == ("destroy-key" in steps), steps


def test_refusals(registry):
    """A step that the state does not allow is refused, and leaves no trace."""
    for identity, (steps, refused, error, message) in each(registry, REFUSALS):
        for step in steps:
            act(registry, step, identity)
        before = release(registry, identity), actions(registry)
        with pytest.raises(error, match=re.escape(message)):
            act(registry, refused, identity)
        assert (release(registry, identity), actions(registry)) == before, steps


def test_only_what_is_reserved_fails(registry):
    """Once it was published, recalled or never recorded, the end of its build changes nothing."""
    own = replace(NEW, id="0000000b")
    keep(registry, own, key=b"k" * 32)
    assert failed(registry, own.id, actor=STEWARD, at=NOW) == "failed"
    lay(registry)
    keep(registry, replace(NEW, id="0000000c"))
    act(registry, "recall", "0000000c")
    before = actions(registry), keys(registry)
    for identity, state in {
        "0000000a": "served",
        "0000000b": "failed",
        "0000000c": "recalled",
        "0000000d": None,
    }.items():
        assert failed(registry, identity, actor=STEWARD, at=NOW) == state
    assert (actions(registry), keys(registry)) == before


def keys(registry):
    with registry.connect() as connection:
        query = select(KeyEvent.kind, KeyEvent.name, KeyEvent.event).order_by(KeyEvent.id)
        return [tuple(row) for row in connection.execute(query)]


def test_a_key_is_on_record_with_its_release(registry):
    """Made when the release is reserved, destroyed when it fails; a project's is neither."""
    keep(registry, key=b"k" * 32)
    keep(registry, replace(NEW, id="0000000b", scope="linked", project="dropout"))
    for identity in ("0000000a", "0000000b"):
        failed(registry, identity, actor=STEWARD, at=NOW)
    assert keys(registry) == [
        ("release", "0000000a", "created"),
        ("release", "0000000a", "destroyed"),
    ]


CHANGES = [
    ("rights.set", "denied", True),
    ("rights.import", "a file", True),
    ("rights.erase", "one learner", True),
    ("release.reserve", "0000000f", True),
    ("key.rotate", "registry", True),
    ("key.destroy", "project dropout", True),
    ("request.withdraw", NEW.request, True),
    ("request.reject", NEW.request, True),
    ("request.withdraw", "e" * 64, False),
    ("request.approve", NEW.request, True),
    ("request.approve", "e" * 64, False),
    ("release.publish", "0000000f", False),
    ("release.recall", "0000000f", False),
    ("release.give_again", "0000000f", False),
    ("key.create", "project dropout", False),
    ("build.recover", "builds that were cut off", False),
]


def test_what_a_release_rests_on_must_not_change(registry):
    """Nothing is recorded where rights, releases, keys or the request changed since the look."""
    for number, (kind, subject, refused) in enumerate(CHANGES):
        new, seen = replace(NEW, id=f"{number:07x}0"), head(registry)
        with changing(registry) as change:
            change.record(STEWARD, kind, subject, at=NOW)
        if refused:
            before = actions(registry)
            with pytest.raises(RegistryError, match=rf"\({kind}\); nothing is released; run it"):
                keep(registry, new, seen=seen, key=b"k" * 32)
            assert actions(registry) == before
        else:
            keep(registry, new, seen=seen)
        keep(registry, replace(new, id=f"{number:07x}1"))  # whoever looks after it


def test_rights_after_the_cut_off(registry):
    """What was recorded while a build read or waited is not passed over, though seen by now."""
    later = NOW + timedelta(seconds=1)
    with changing(registry) as change:
        change.record(STEWARD, "rights.set", "denied", at=later)
    with pytest.raises(RegistryError, match=r"rights\.set"):
        keep(registry)
    with pytest.raises(RegistryError, match=r"rights\.set"):
        refuse_later_rights(registry, NOW)
    refuse_later_rights(registry, later)
    keep(registry, replace(NEW, cut_off=later))


@pytest.mark.parametrize(("kind", "subject", "refused"), CHANGES)
def test_it_is_asked_again_before_a_release_exists(registry, kind, subject, refused):
    """What comes after the record and before the commit point counts, and so before a gift.

    A release that somebody else reserves has seen this one.
    """
    keep(registry)
    seen = head(registry)
    with changing(registry) as change:
        change.record(STEWARD, kind, subject, at=NOW)
    by = {"actor": STEWARD, "at": NOW}
    if not refused or kind == "release.reserve":
        published(registry, NEW.id, seen=seen, supersedes=[], **by)
        given_again(registry, NEW.id, seen=seen, **by)
        return
    told = rf"\({kind}\); nothing is released"
    with pytest.raises(RegistryError, match=told):
        published(registry, NEW.id, seen=seen, supersedes=[], **by)
    published(registry, NEW.id, seen=head(registry), supersedes=[], **by)
    with pytest.raises(RegistryError, match=told):
        given_again(registry, NEW.id, seen=seen, **by)


def test_the_head_is_told(registry):
    """Publishing, and giving out again, tell the head of the chain that they made."""
    keep(registry)
    out = published(registry, NEW.id, seen=head(registry), actor=STEWARD, at=NOW, supersedes=[])
    assert out == head(registry)
    again = given_again(registry, NEW.id, seen=head(registry), actor=STEWARD, at=NOW)
    assert again == head(registry) != out
    act(registry, "recall")
    with pytest.raises(RegistryError, match="is recalled by now"):
        given_again(registry, NEW.id, seen=head(registry), actor=STEWARD, at=NOW)


def test_only_a_steward(registry):
    """What changes a release that is out is a steward's to do, confirmations too."""
    lay(registry)
    act(registry, "recall")
    for step in ("recall", "expire", f"share {MEI}", f"confirm {RAY}", "destroy-key"):
        for duties in ({Duty.RESEARCHER, Duty.ENGINEER}, set()):
            with pytest.raises(RoleError, match="no steward"):
                act(registry, step, actor=Actor(RAY, "ray", frozenset(duties)))
    assert len(release(registry, NEW.id).events) == len(("reserved", "published", "recalled"))


def test_a_public_release_stays_live(registry):
    """What anybody may have can't be confirmed destroyed, and isn't shared with somebody."""
    lay(registry, replace(NEW, access="public"))
    with pytest.raises(RegistryError, match="anybody may have it already"):
        act(registry, f"share {MEI}")
    act(registry, "recall")
    act(registry, f"confirm {RAY}")
    with pytest.raises(RegistryError, match="nobody can say"):
        act(registry, "confirm public")
    found = release(registry, NEW.id)
    assert (found.live, found.outstanding) == (True, ("public",))


def test_what_is_recorded_is_read_back(registry):
    """Every value comes back as it was given, on both databases."""
    new = replace(NEW, scope="linked", project="dropout", m=2, item=None, expires_on=None)
    at = NOW + timedelta(microseconds=17)
    keep(registry, new, at=at)
    found = release(registry, "0000")
    for name in NewRelease.__dataclass_fields__.keys() - {"frozen_text"}:
        assert getattr(found, name) == getattr(new, name)
    assert found.events == (ReleaseHappening(Kind.RESERVED, at, STEWARD.name),)
    assert recode_text(registry, new.id) == new.frozen_text
    assert members(registry, new.id).sort("learner", "item").equals(MEMBERS)
    with registry.connect() as connection:
        numbers = connection.execute(
            select(ReleaseClass.number, ReleaseClass.labels).order_by(ReleaseClass.number)
        ).all()
    assert [tuple(row) for row in numbers] == [
        (0, '{"region": "*", "age": "0-35"}'),
        (1, '{"region": "*", "age": "*"}'),
    ]


def test_every_change_is_recorded(registry):
    """Each step leaves one action: who, what, about which release, and never a learner."""
    lay(registry)
    for step in (f"share {MEI}", "supersede", "recall", f"confirm {MEI}", "destroy-key"):
        act(registry, step)
    done = actions(registry)
    assert [(kind, subject, detail) for _, _, kind, subject, detail in done] == [
        ("release.reserve", "0000000a", None),
        ("release.publish", "0000000a", None),
        ("release.share", "0000000a", MEI),
        ("release.reserve", "0000000f", None),
        ("release.supersede", "0000000a", "by 0000000f"),
        ("release.publish", "0000000f", None),
        ("release.recall", "0000000a", "a learner was erased"),
        ("release.confirm", "0000000a", MEI),
        ("release.destroy_key", "0000000a", "over"),
    ]
    assert {(actor, login) for actor, login, *_ in done} == {(STEWARD.name, STEWARD.login)}


def test_an_id_may_be_shortened(registry):
    """The start of an id is enough where only one starts so; a wrong one is not repeated."""
    lay(registry)
    lay(registry, replace(NEW, id="0000000b"))
    assert release(registry, "0000000b").id == "0000000b"
    with pytest.raises(RegistryError, match="2 releases"):
        release(registry, "0000000")
    for wrong in ("1", "", "%", "learner17"):
        with pytest.raises(RegistryError, match="no release") as caught:
            release(registry, wrong)
        assert "learner17" not in str(caught.value)
    with pytest.raises(RegistryError, match="there is no release"):
        recode_text(registry, "0000000c")


def test_an_id_is_used_once(registry):
    """A second release of the same id is refused whole."""
    lay(registry)
    with pytest.raises(RegistryError):
        lay(registry, replace(NEW, title="Another"))
    assert [(one.title, one.state) for one in releases(registry)] == [(NEW.title, "served")]


def test_releases_of_a_learner(registry):
    """By any of the digests of one person; a release that failed showed nobody."""
    one, two, three = "1" * 64, "2" * 64, "3" * 64
    lay(registry, replace(NEW, id="0000000a"), shown((one, "AAA", 0)))
    lay(registry, replace(NEW, id="0000000b"), shown((one, "AAA", 0), (two, "", 1)))
    lay(registry, replace(NEW, id="0000000c"), shown((one, "AAA", 0)), out=False)
    act(registry, "fail", "0000000c")
    act(registry, "recall", "0000000b")
    lay(registry, replace(NEW, id="0000000d"), shown((one, "AAA", 0)), out=False)

    def holding(*digests):
        return [found.id[-1] for found in releases_of(registry, digests)]

    assert holding(one) == ["a", "b", "d"]
    assert holding(two) == holding(two, three) == ["b"]
    assert holding(one, two) == ["a", "b", "d"]
    assert holding(three) == holding() == []


def again(registry, today=TODAY, request=NEW.request, inputs=NEW.inputs_sha256):
    found = served_again(registry, request_sha256=request, inputs_sha256=inputs, today=today)
    return None if found is None else found.id


def test_the_same_request_on_the_same_inputs(registry):
    """Only a published release of that very request and data is given again; the newest."""
    lay(registry, out=False)
    assert again(registry) is None
    act(registry, "publish")
    assert again(registry) == "0000000a"
    assert again(registry, inputs="e" * 64) is None
    assert again(registry, request="e" * 64) is None
    lay(registry, replace(NEW, id="00000001", created_at=NOW + timedelta(days=1)))
    assert again(registry) == "00000001"


def test_what_ended_is_never_given_again(registry):
    """A recalled, superseded or expired release answers no request any more."""
    for identity, end in each(registry, ["recall", "supersede", "expire"]):
        act(registry, "publish", identity)
        assert again(registry) == identity
        act(registry, end, identity)
        assert identity not in {again(registry), *ids(served_for(registry, NEW.request))}
        if end == "supersede":
            assert again(registry) == f"{identity[:-1]}f"
            act(registry, "recall", f"{identity[:-1]}f")
        assert again(registry) is None


def ids(found):
    return [one.id for one in found]


def test_what_is_past_its_last_day_is_not_given_again(registry):
    """Even before a steward ran `release expire`."""
    lay(registry)
    assert again(registry, LAST_DAY) == "0000000a"
    assert again(registry, LAST_DAY + timedelta(days=1)) is None


def test_superseding(registry):
    """A new release takes the place of the served ones of its request, and of no other's."""
    lay(registry, replace(NEW, id="00000001"))
    lay(registry, replace(NEW, id="00000002"))
    lay(registry, replace(NEW, id="00000003", request="e" * 64))
    act(registry, "recall", "00000002")
    lay(registry, replace(NEW, id="00000004"), supersedes=["00000001", "00000002"])
    states = {one.id[-1]: one.state.value for one in releases(registry)}
    assert states == {"1": "superseded", "2": "recalled", "3": "served", "4": "served"}
    assert [one.id[-1] for one in served_for(registry, NEW.request)] == ["4"]
    lay(registry, replace(NEW, id="00000005"), out=False)
    with pytest.raises(RegistryError, match="another request"):
        published(
            registry,
            "00000005",
            seen=head(registry),
            actor=STEWARD,
            at=NOW,
            supersedes=["00000003"],
        )
    assert release(registry, "00000005").state == "reserved"
    assert release(registry, "00000003").served


def test_expiring(registry):
    """What is past its last day ends once; what failed or was recalled has ended already."""
    day = timedelta(days=1)
    lay(registry, replace(NEW, id="00000001"))
    lay(registry, replace(NEW, id="00000002", expires_on=None))
    lay(registry, replace(NEW, id="00000003", expires_on=LAST_DAY + day))
    lay(registry, replace(NEW, id="00000004"))
    lay(registry, replace(NEW, id="00000005"), out=False)
    act(registry, "recall", "00000004")
    act(registry, "fail", "00000005")
    assert due(registry, LAST_DAY) == []
    assert [one.id[-1] for one in due(registry, LAST_DAY + day)] == ["1"]
    ended = expire(registry, today=LAST_DAY + day, actor=STEWARD, at=NOW)
    assert [(one.id[-1], one.state) for one in ended] == [("1", "expired")]
    assert expire(registry, today=LAST_DAY + day, actor=STEWARD, at=NOW) == []


def test_a_reason_is_given(registry):
    """Nobody recalls a release without saying why."""
    lay(registry)
    with pytest.raises(RegistryError, match="say why"):
        recall(registry, NEW.id, reason="  ", actor=STEWARD, at=NOW)


def test_the_key_of_a_project_is_not_a_releases(registry):
    """The key of linked pseudonyms is shared: no single release destroys it."""
    lay(registry, replace(NEW, scope="linked", project="dropout"))
    act(registry, "recall")
    with pytest.raises(RegistryError, match="key of its project"):
        act(registry, "destroy-key")


def test_a_key_that_could_not_be_removed(registry):
    """Is destroyed on record all the same: nobody uses it, and recovery removes it."""
    lay(registry)
    act(registry, "recall")

    def fail(release_id):
        raise PermissionError(release_id)

    with pytest.raises(PermissionError, match=NEW.id):
        destroy_key(registry, "0000", reason="over", actor=STEWARD, at=NOW, destroy=fail)
    assert release(registry, NEW.id).key_destroyed


def test_members_stand_in_given_classes(registry):
    """A member of an unknown class, or a frame of another shape, is a programming error."""
    unknown, null = shown(("1" * 64, "AAA", 2)), shown(("1" * 64, "AAA", None))
    for bad in (unknown, null, MEMBERS.select("item", "learner", "class_number")):
        with pytest.raises(ValueError, match="members"):
            lay(registry, who=bad)
    assert releases(registry) == []


@pytest.mark.parametrize(
    "change",
    [
        {"id": "0000000A"},
        {"id": "00"},
        {"package_sha256": "abc"},
        {"project": "dropout"},
        {"scope": "linked"},
    ],
)
def test_a_new_release_is_well_formed(change):
    """A malformed id or digest, or a project out of place, is a programming error."""
    with pytest.raises(ValueError, match=r"expected|goes with"):
        replace(NEW, **change)


def test_many_members(registry):
    """A hundred thousand members come back as they went in."""
    number = 100_000
    crowd = pl.DataFrame(
        {
            "learner": pl.Series([f"{i:064x}" for i in range(number)]),
            "item": pl.Series([("", "AAA", 'ZZ, "é"\n')[i % 3] for i in range(number)]),
            "class_number": pl.Series([i % 2 for i in range(number)], dtype=pl.Int64),
        }
    )
    lay(registry, replace(NEW, id="0000000b"))
    lay(registry, who=crowd)
    assert members(registry, NEW.id).sort("learner").equals(crowd)
    assert members(registry, "0000000c").schema == MEMBER_SCHEMA


def actions(registry):
    columns = (Action.actor, Action.login, Action.kind, Action.subject, Action.detail)
    with registry.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(Action.id))]
