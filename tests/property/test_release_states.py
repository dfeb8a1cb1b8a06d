"""What a release is now, from any order of what happened to it."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.governance.releases import ReleaseHappening, ReleaseState, ReleaseStatus
from pipelines.governance.releases.state import Kind
from tests.reference.release_states import walked

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RAY, MEI, LEO = "ray@uni.example", "mei@uni.example", "leo@far.example"
RELEASE = {
    "id": "0000000a",
    "request": "a" * 64,
    "title": "Completion by region",
    "researcher": RAY,
    "purpose": "research",
    "source": "oulad",
    "family": "oulad",
    "scope": "release",
    "project": None,
    "k": 5,
    "m": "full",
    "item": "code_module",
    "jurisdictions": ("EU",),
    "inputs_sha256": "b" * 64,
    "data_version": "c" * 64,
    "package_sha256": "d" * 64,
    "cut_off": AT,
    "created_at": AT,
    "expires_on": None,
}


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from([*Kind]), st.sampled_from([RAY, MEI, LEO, "public"])),
        max_size=8,
    ),
    st.booleans(),
)
def test_states_as_the_slow_twin_has_them(happened, public):
    """Served, live and outstanding, whatever happened in whatever order."""
    whose = {Kind.SHARED, Kind.DESTROYED}
    events = [(kind, who if kind in whose else None) for kind, who in happened]
    found = ReleaseStatus(
        **RELEASE,
        access="public" if public else "controlled",
        events=tuple(ReleaseHappening(kind, AT, "s", who) for kind, who in events),
    )
    served, live, outstanding = walked(events, researcher=RAY, public=public)
    assert (found.served, found.live, {*found.outstanding}) == (served, live, outstanding)
    assert not found.served or found.live
    assert isinstance(found.state, ReleaseState)
