"""Releases of aggregates on both databases: they show nobody, and have no key."""

from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from pipelines.errors import RegistryError
from pipelines.governance.audit import verify_chain
from pipelines.governance.chain import changing, head
from pipelines.governance.key_destruction import destroy_registry_key
from pipelines.governance.releases import (
    NewNoisyRelease,
    ReleaseHappening,
    given_again,
    members,
    published,
    recode_text,
    release,
    releases_of,
    reserve_noisy,
    served_for,
)
from pipelines.governance.releases.state import Kind
from pipelines.governance.tables import KeyEvent, Release, ReleaseClass
from pipelines.keys import create_keys
from tests.conformance.test_releases_registry import (
    CHANGES,
    LAST_DAY,
    MEI,
    NEW,
    NOW,
    RAY,
    STEWARD,
    act,
    actions,
    again,
    keep,
)

BY = {"actor": STEWARD, "at": NOW}
_OF_MICRODATA = {"scope", "project", "k", "m", "item", "frozen_text"}
COUNTS = NewNoisyRelease(
    scope="aggregate",
    **{name: cell for name, cell in asdict(NEW).items() if name not in _OF_MICRODATA},
)


def record(registry, new=COUNTS, *, seen=None):
    """Reserve a release of aggregates, on what the registry holds now."""
    reserve_noisy(registry, new, seen=head(registry) if seen is None else seen, **BY)


def lay(registry, new=COUNTS, supersedes=()):
    """Reserve one, and publish it."""
    record(registry, new)
    published(registry, new.id, seen=head(registry), supersedes=supersedes, **BY)


def test_what_is_recorded_is_read_back(registry):
    """Every value comes back; what says whom a release shows is null, and the chain holds."""
    record(registry)
    found = release(registry, "0000")
    for name in NewNoisyRelease.__dataclass_fields__:
        assert getattr(found, name) == getattr(COUNTS, name)
    assert (found.k, found.m, found.item, found.project) == (None, None, None, None)
    assert (found.scope, found.shows_nobody) == ("aggregate", True)
    assert found.events == (ReleaseHappening(Kind.RESERVED, NOW, STEWARD.name),)
    with registry.connect() as connection:
        row = connection.execute(select(Release.recode, Release.k, Release.m)).one()
        others = [connection.execute(select(table)).all() for table in (ReleaseClass, KeyEvent)]
    assert (tuple(row), others) == ((None, None, None), [[], []])
    assert members(registry, COUNTS.id).is_empty()
    with pytest.raises(RegistryError, match="it shows nobody, and has no recode"):
        recode_text(registry, COUNTS.id)
    assert verify_chain(registry).broken is None


def test_microdata_is_none(registry):
    """A release with members is told apart from one without."""
    keep(registry)
    assert not release(registry, NEW.id).shows_nobody


def test_it_shows_nobody(registry):
    """Beside microdata, a learner's releases are the microdata alone."""
    keep(registry, replace(NEW, id="0000000b", request="e" * 64))
    lay(registry)
    assert [one.id for one in releases_of(registry, ["1" * 64])] == ["0000000b"]


STATES = [
    ([], "reserved", True, [RAY]),
    (["fail"], "failed", False, [RAY]),
    (["publish"], "served", True, [RAY]),
    (["publish", "recall"], "recalled", True, [RAY]),
    (["publish", "recall", f"confirm {RAY}"], "recalled", False, []),
    (["publish", "expire"], "expired", True, [RAY]),
]
"""Steps; the state they lead to, whether it is live, and who has not confirmed."""


def test_states(registry):
    """As with microdata; but no key is destroyed, for there was none: not by a failure either."""
    for number, (steps, *expected) in enumerate(STATES):
        identity = f"{number:07x}0"
        record(registry, replace(COUNTS, id=identity))
        for step in steps:
            act(registry, step, identity)
        found = release(registry, identity)
        assert [found.state, found.live, [*found.outstanding]] == expected, steps
    with registry.connect() as connection:
        assert connection.scalars(select(KeyEvent.id)).all() == []


@pytest.mark.parametrize(
    ("access", "steps", "refused", "told"),
    [
        ("controlled", [], f"share {MEI}", "only a served one"),
        ("controlled", ["publish"], f"share {MEI}", "a request of his own, which is charged"),
        ("controlled", ["publish"], f"share {RAY}", "a request of his own, which is charged"),
        ("public", ["publish"], f"share {MEI}", "anybody may have it already"),
        ("controlled", ["publish"], "destroy-key", "it shows nobody, so it has no key"),
        ("controlled", ["publish", "recall"], "destroy-key", "it shows nobody, so it has no key"),
    ],
)
def test_refusals(registry, access, steps, refused, told):
    """Nobody else gets it, and no key is destroyed; nothing is left on record of either."""
    record(registry, replace(COUNTS, access=access))
    for step in steps:
        act(registry, step)
    before = release(registry, COUNTS.id), actions(registry)
    with pytest.raises(RegistryError, match=told) as caught:
        act(registry, refused)
    assert "\n" not in str(caught.value)
    assert (release(registry, COUNTS.id), actions(registry)) == before


def test_what_a_release_rests_on_must_not_change(registry):
    """As with microdata, but for other releases: rights, keys and its request."""
    for number, (kind, subject, refused) in enumerate(CHANGES):
        new, seen = replace(COUNTS, id=f"{number:07x}0"), head(registry)
        with changing(registry) as change:
            change.record(STEWARD, kind, subject, at=NOW)
        if refused and kind != "release.reserve":
            before = actions(registry)
            with pytest.raises(RegistryError, match=rf"\({kind}\); nothing is released; run it"):
                record(registry, new, seen=seen)
            assert actions(registry) == before
        else:
            record(registry, new, seen=seen)


def test_rights_after_the_cut_off(registry):
    """What was recorded while a build read is not passed over, though seen by now."""
    with changing(registry) as change:
        change.record(STEWARD, "rights.set", "denied", at=NOW + timedelta(seconds=1))
    with pytest.raises(RegistryError, match=r"rights\.set"):
        record(registry)


def test_neighbours(registry):
    """Only microdata waits for microdata; the same request is reserved once, whatever it is."""
    seen = head(registry)
    record(registry, replace(COUNTS, id="00000001", request="1" * 64), seen=seen)
    record(registry, replace(COUNTS, id="00000002", request="2" * 64), seen=seen)
    keep(registry, replace(NEW, id="00000003", request="3" * 64), seen=seen)
    record(registry, replace(COUNTS, id="00000004", request="4" * 64), seen=seen)
    told = r"\(release\.reserve\); nothing is released"
    with pytest.raises(RegistryError, match=told):
        keep(registry, replace(NEW, id="00000005", request="5" * 64), seen=seen)
    for request in "123":
        with pytest.raises(RegistryError, match=told):
            record(registry, replace(COUNTS, id="00000006", request=request * 64), seen=seen)
    record(registry, replace(COUNTS, id="00000006", request="1" * 64))  # whoever looks after it


def test_the_same_request_on_the_same_inputs(registry):
    """It is given again until it ends, and superseded by what its request gives on newer data."""
    lay(registry)
    assert again(registry) == COUNTS.id
    given_again(registry, COUNTS.id, seen=head(registry), **BY)
    newer = replace(COUNTS, id="0000000b", inputs_sha256="e" * 64)
    lay(registry, newer, supersedes=[one.id for one in served_for(registry, COUNTS.request)])
    assert again(registry) is None
    assert again(registry, inputs=newer.inputs_sha256) == newer.id
    assert again(registry, LAST_DAY + timedelta(days=1), inputs=newer.inputs_sha256) is None
    assert release(registry, COUNTS.id).state == "superseded"


def test_an_id_is_used_once(registry):
    """By microdata or aggregates."""
    keep(registry)
    with pytest.raises(RegistryError):
        record(registry)
    assert not release(registry, NEW.id).shows_nobody


def test_the_registry_key_may_go(registry, tmp_path):
    """A live release that shows nobody needs no key that tells whom it shows."""
    (tmp_path / "keys").mkdir()
    create_keys(tmp_path)
    lay(registry, replace(COUNTS, access="public"))
    destroy_registry_key(registry, tmp_path, reason="over", **BY)
    with registry.connect() as connection:
        assert connection.scalars(select(KeyEvent.event)).all()[-1] == "destroyed"


@pytest.mark.parametrize("change", [{"id": "0000000A"}, {"id": "00"}, {"data_version": "abc"}])
def test_a_new_release_is_well_formed(change):
    """A malformed id or digest is a programming error."""
    with pytest.raises(ValueError, match="expected"):
        replace(COUNTS, **change)
