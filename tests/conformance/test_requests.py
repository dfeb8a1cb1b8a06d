"""Requests and approvals, on both databases."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from pipelines.errors import RegistryError, RequestError, RoleError
from pipelines.governance.requests import approve, approved, reject, submit, withdraw
from pipelines.governance.submissions import RequestState, find, known, requests, show
from pipelines.governance.tables import Action
from pipelines.people import Actor, Duty
from pipelines.settings import Workspace
from schemas.policy import Policy, policy_sha256
from schemas.request import parse_request
from tests.smallworld import REQUEST

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
PEOPLE = {
    "r.lee@uni.example": frozenset({Duty.RESEARCHER}),
    "k.both@uni.example": frozenset({Duty.RESEARCHER, Duty.STEWARD}),
    "s.ahn@platform.example": frozenset({Duty.STEWARD}),
    "t.two@platform.example": frozenset({Duty.STEWARD}),
}
POLICY = Policy(purposes=("research",), recipients=("*",), legal_bases=("consent",))
CHANGED = REQUEST.replace("k = 5", "k = 6")
UNWAIVED = Policy(
    require_approval=False, purposes=("research",), recipients=("*",), legal_bases=("consent",)
)
OTHER = Policy(purposes=("research", "teaching"), recipients=("*",), legal_bases=("consent",))
"""A stricter or a looser one: what it fills in may differ."""


def person(name: str) -> Actor:
    return Actor(f"{name}".casefold(), "login", PEOPLE[name])


LEE, BOTH, AHN, TWO = (person(name) for name in PEOPLE)


def allow(request, workspace, *, waived):
    """A judge that lets everything pass but k = 6 and waived measures."""
    if request.release.privacy.k == 6 and "k6" not in workspace.policy.purposes:
        raise RequestError("request: release.privacy.k: not 6")
    if not waived <= {"final_result"}:
        raise RequestError("request: waived: no requested sensitive column")


class Desk:
    """The acts of one registry, each a minute after the one before."""

    def __init__(self, engine, root):
        self.engine = engine
        self.workspace = Workspace(root, {}, POLICY, PEOPLE)
        self.at = AT

    def submit(self, text=REQUEST, actor=LEE):
        return submit(self.engine, text, self.workspace, judge=allow, actor=actor, at=self.now())

    def approve(self, sha256, actor=AHN, reason="the board agreed", **other):
        approve(self.engine, sha256, self.workspace, judge=allow, reason=reason, actor=actor,
                at=self.now(), **other)  # fmt: skip

    def reject(self, sha256, actor=AHN, reason="too much"):
        reject(self.engine, sha256, self.workspace, reason=reason, actor=actor, at=self.now())

    def withdraw(self, sha256, actor=LEE):
        withdraw(self.engine, sha256, self.workspace, actor=actor, at=self.now())

    def now(self):
        self.at += timedelta(minutes=1)
        return self.at

    def states(self, sha256):
        return [step.kind.value for step in show(self.engine, sha256).steps]

    def actions(self):
        query = select(Action.kind, Action.subject, Action.actor, Action.detail).order_by(Action.id)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


@pytest.fixture
def desk(registry, tmp_path):
    """A workspace where others decide."""
    return Desk(registry, tmp_path)


def test_a_request_is_approved_by_another(desk):
    """Submitted, approved, and built under what was waived; each step says who, when and why."""
    sha256 = desk.submit()
    desk.approve(sha256, waived=["final_result"])
    found = show(desk.engine, sha256)
    assert found.text == REQUEST
    assert [(s.kind, s.at, s.actor, s.reason) for s in found.steps] == [
        (RequestState.SUBMITTED, AT + timedelta(minutes=1), LEE.name, None),
        (RequestState.APPROVED, AT + timedelta(minutes=2), AHN.name, "the board agreed"),
    ]
    assert {step.policy_sha256 for step in found.steps} == {policy_sha256(POLICY)}
    asked = parse_request(REQUEST, subject="r")
    assert approved(desk.engine, asked, POLICY).waived == {"final_result"}
    with pytest.raises(RequestError, match="approved under another policy"):
        approved(desk.engine, asked, OTHER)
    assert approved(desk.engine, asked, UNWAIVED).waived == frozenset(), "waived under another"
    assert desk.actions() == [
        ("request.submit", sha256, LEE.name, None),
        ("request.approve", sha256, AHN.name, "the board agreed"),
    ]


def test_layout_does_not_matter_and_a_changed_request_does(desk):
    """The same asked in other words is approved; another k is not."""
    desk.approve(desk.submit())
    again = "# mine\n" + REQUEST.replace("k = 5", "k   = 5 # five")
    assert approved(desk.engine, parse_request(again, subject="r"), POLICY).waived == frozenset()
    changed = parse_request(CHANGED, subject="r")
    with pytest.raises(RequestError, match="never submitted so; `kohort request submit` it"):
        approved(desk.engine, changed, POLICY)
    assert approved(desk.engine, changed, UNWAIVED).waived == frozenset()


@pytest.mark.parametrize(
    ("acts", "says"),
    [
        ([], "waits for an approval; a steward gives it"),
        (["reject"], "is rejected"),
        (["approve", "reject"], "is rejected"),
        (["withdraw"], "is withdrawn"),
        (["approve", "withdraw"], "is withdrawn"),
        (["reject", "submit"], "waits for an approval"),
    ],
)
def test_only_an_approval_in_force_counts(desk, acts, says):
    """Whatever came after it revokes it, and takes along what it waived."""
    sha256 = desk.submit()
    for act in acts:
        desk.submit() if act == "submit" else getattr(desk, act)(sha256)
    asked = parse_request(REQUEST, subject="r")
    with pytest.raises(RequestError, match=says) as refusal:
        approved(desk.engine, asked, POLICY)
    assert "\n" not in str(refusal.value)
    if "is " in says:  # what was rejected or withdrawn is not built where none is required, either
        with pytest.raises(RequestError, match=says):
            approved(desk.engine, asked, UNWAIVED)
    else:
        assert approved(desk.engine, asked, UNWAIVED).waived == frozenset()


@pytest.mark.parametrize("ended", ["reject", "withdraw"])
def test_what_was_ended_can_be_submitted_again(desk, ended):
    """A new submission needs a new approval, and the old steps stay on record."""
    sha256 = desk.submit()
    getattr(desk, ended)(sha256)
    assert desk.submit() == sha256
    desk.approve(sha256)
    kind = {"reject": "rejected", "withdraw": "withdrawn"}[ended]
    assert desk.states(sha256) == ["submitted", kind, "submitted", "approved"]


@pytest.mark.parametrize(
    ("acts", "then"),
    [
        ([], "submit"),
        (["approve"], "submit"),
        (["approve"], "approve"),
        (["reject"], "approve"),
        (["reject"], "reject"),
        (["reject"], "withdraw"),
        (["withdraw"], "approve"),
        (["withdraw"], "reject"),
        (["withdraw"], "withdraw"),
    ],
)
def test_impossible_steps_are_refused(desk, acts, then):
    """Nothing is recorded then, not even that it was done."""
    sha256 = desk.submit()
    for act in acts:
        getattr(desk, act)(sha256)
    before = desk.states(sha256), desk.actions()
    with pytest.raises(RegistryError, match=r"is (\w+), so it can't become"):
        desk.submit() if then == "submit" else getattr(desk, then)(sha256)
    assert (desk.states(sha256), desk.actions()) == before


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_nobody_decides_on_his_own_request(desk, act):
    """Neither its researcher, whatever the case of his address, nor who is no steward."""
    own = desk.submit(REQUEST.replace("r.lee@uni.example", "K.Both@UNI.example"), BOTH)
    for actor, says in [(BOTH, "another steward must decide"), (LEE, "is no steward")]:
        with pytest.raises(RoleError, match=says):
            getattr(desk, act)(own, actor)
    assert desk.states(own) == ["submitted"]
    getattr(desk, act)(own, AHN)


def test_who_submitted_for_another_does_not_decide(desk):
    """Where nobody is named, anybody submits for anybody; and can't approve it."""
    desk.workspace = Workspace(desk.workspace.root, {}, POLICY, {})
    sha256 = desk.submit(actor=BOTH)
    with pytest.raises(RoleError, match="another steward must decide"):
        desk.approve(sha256, BOTH)
    with pytest.raises(RoleError, match=f"only {BOTH.name}, who submitted it"):
        desk.withdraw(sha256, LEE)


@pytest.mark.parametrize(
    ("actor", "says"), [(AHN, "is no researcher"), (BOTH, "the request names somebody else")]
)
def test_a_researcher_submits_his_own(desk, actor, says):
    """Where people are named, nobody asks in the name of another."""
    with pytest.raises(RoleError, match=says):
        desk.submit(actor=actor)
    assert desk.actions() == []


def test_a_refused_submission_is_on_record_and_not_kept(desk):
    """The policy's refusal leaves an action and no request."""
    with pytest.raises(RequestError, match="not 6"):
        desk.submit(CHANGED)
    sha256 = parse_request(CHANGED, subject="r").sha256()
    assert known(desk.engine, sha256) is None
    assert desk.actions() == [("request.submit", sha256, LEE.name, "refused by the policy")]


def test_the_policy_is_applied_anew_at_approval(desk):
    """A policy that became stricter meanwhile refuses, and the request stays submitted."""
    lax = Policy(purposes=("research", "k6"), recipients=("*",), legal_bases=("consent",))
    strict = desk.workspace
    desk.workspace = Workspace(strict.root, {}, lax, PEOPLE)
    sha256 = desk.submit(CHANGED)
    desk.workspace = strict
    with pytest.raises(RequestError, match="not 6"):
        desk.approve(sha256)
    assert desk.states(sha256) == ["submitted"]


@pytest.mark.parametrize("reason", ["", "  ", "...", "a\x1b[2Jb", "x" * 1001])
def test_a_reason_says_something(desk, reason):
    """In printable characters that a terminal shows as they are."""
    sha256 = desk.submit()
    for act in (desk.approve, desk.reject):
        with pytest.raises(RequestError, match="--reason: say why"):
            act(sha256, reason=reason)
    assert desk.states(sha256) == ["submitted"]


def test_only_what_the_judge_allows_is_waived(desk):
    """A column that is no sensitive one of the request is refused."""
    sha256 = desk.submit()
    with pytest.raises(RequestError, match="no requested sensitive column"):
        desk.approve(sha256, waived=["clicks"])
    assert desk.states(sha256) == ["submitted"]


def test_a_text_that_no_longer_means_the_same_is_not_approved(desk, monkeypatch):
    """Another version of kohort may hash otherwise: what was approved must be what is built."""
    sha256 = desk.submit()
    monkeypatch.setattr("schemas.request.ExtractRequest.sha256", lambda _: "0" * 64)
    with pytest.raises(RequestError, match="have it submitted again"):
        desk.approve(sha256)


def test_requests_are_listed_and_found(desk):
    """By state, and by the first digits of the hash."""
    first = desk.submit()
    second = desk.submit(REQUEST.replace("Results", "Passing"))
    desk.approve(second)
    assert [each.sha256 for each in requests(desk.engine)] == [first, second]
    assert [r.title for r in requests(desk.engine, state=RequestState.APPROVED)] == [
        "Passing by region"
    ]
    assert find(desk.engine, second[:6]) == find(desk.engine, second) == second
    with pytest.raises(RegistryError, match="no request starts so"):
        find(desk.engine, "0" * 63)
    with pytest.raises(RegistryError, match="several requests start so"):
        find(desk.engine, "")
    with pytest.raises(RegistryError, match="was never submitted"):
        show(desk.engine, "0" * 64)


@pytest.mark.parametrize(
    ("other", "outcomes"),
    [
        ("approve", [["approved"]]),
        ("reject", [["rejected"], ["approved", "rejected"]]),
        ("withdraw", [["withdrawn"], ["approved", "withdrawn"]]),
    ],
)
def test_nothing_is_decided_on_what_was(desk, other, outcomes):
    """Of two at once, both of whom saw it submitted, the second one sees what the first one did."""
    sha256 = desk.submit()
    start, refused = threading.Barrier(2), []

    def decide(act, *arguments):
        start.wait()
        try:
            act(sha256, *arguments)
        except RegistryError as error:
            refused.append(str(error))

    actor = LEE if other == "withdraw" else TWO
    acts = [(desk.approve, AHN), (getattr(desk, other), actor)]
    threads = [threading.Thread(target=decide, args=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, *states = desk.states(sha256)
    assert states in outcomes
    assert len(states) + len(refused) == 2
    assert len(desk.actions()) == 1 + len(states)


def test_two_may_submit_the_same_at_once(desk):
    """One of them is told that it is submitted already."""
    start, done = threading.Barrier(4), []

    def hand_in():
        start.wait()
        try:
            done.append(desk.submit())
        except RegistryError as error:
            done.append(str(error))

    threads = [threading.Thread(target=hand_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sha256 = parse_request(REQUEST, subject="r").sha256()
    assert done.count(sha256) == 1, done
    assert sum("is submitted, so it can't become submitted" in answer for answer in done) == 3, done
    assert desk.states(sha256) == ["submitted"]
