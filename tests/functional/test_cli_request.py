"""`kohort request`, as researchers and stewards type it."""

import json
import re
from pathlib import Path

import pytest

from pipelines.governance.database import create_registry
from pipelines.governance.templates import template
from pipelines.requested import plan_request, read_request
from pipelines.settings import SourceSettings, Workspace, create_workspace, find_workspace
from pipelines.sources import load_family
from schemas.policy import Limits, Policy
from schemas.roles import Grain
from tests.smallworld import AREA, FAMILY, REQUEST, run

PEOPLE = """
[people]
"r.lee@uni.example" = ["researcher"]
"s.ahn@platform.example" = ["steward"]
"""
LEE, AHN = "r.lee@uni.example", "s.ahn@platform.example"


@pytest.fixture
def desk(tmp_path: Path):
    """Run `kohort request` in a workspace that asks for approvals."""
    root = tmp_path / "ws"
    (tmp_path / "small.toml").write_text(FAMILY)
    (tmp_path / "area.csv").write_text(AREA)
    (tmp_path / "request.toml").write_text(REQUEST)
    source = SourceSettings(family=str(tmp_path / "small.toml"), location="data")
    create_workspace(root, local=False, sources={"small": source})
    settings = root / "kohort.toml"
    settings.write_text(settings.read_text() + PEOPLE)
    create_registry(find_workspace(root).database)

    def desk(command: str, *arguments: str, actor: str | None = None, code: int = 0) -> str:
        words = [word.replace("TMP", str(tmp_path)) for word in arguments]
        words += ["--as", actor] if actor else []
        return run("request", command, *words, "--workspace", str(root), code=code)

    return desk


def test_the_way_of_a_request(desk):
    """Checked, submitted, approved with a waiver, shown, withdrawn; an ID or the file names it."""
    assert "approval: required; next: kohort request submit" in desk("check", "TMP/request.toml")
    submitted = desk("submit", "TMP/request.toml", actor=LEE)
    (short,) = re.findall(r"request ([0-9a-f]{12}): submitted", submitted)
    assert "kohort request approve" in submitted
    assert "not in force: submitted by r.lee@uni.example" in desk("check", "TMP/request.toml")
    assert f"{short}  submitted" in desk("list", "--state", "submitted")
    reason = ("--reason", "the board agreed")
    desk("approve", short[:6], *reason, "--waive", "final_result", actor=AHN)
    checked = desk("check", "TMP/request.toml")
    assert "in force: approved by s.ahn@platform.example" in checked
    assert "waives final_result" in checked
    assert "maximum share" not in checked
    shown = desk("show", "TMP/request.toml")
    assert "approved by s.ahn@platform.example, waives final_result: the board agreed" in shown
    assert 'title = "Results by region"' in shown
    assert "withdrawn" in desk("withdraw", short.upper(), actor=LEE)
    assert desk("list", "--state", "approved") == ""


def test_what_programs_read(desk):
    """--json of every step."""
    done = json.loads(desk("submit", "TMP/request.toml", "--json", actor=LEE))
    assert done["state"] == "submitted"
    sha256 = done["request_sha256"]
    rejected = desk("reject", sha256, "--reason", "too much", "--json", actor=AHN)
    assert json.loads(rejected) == {"request_sha256": sha256, "state": "rejected"}
    checked = json.loads(desk("check", "TMP/request.toml", "--json"))
    assert checked["approval"] == {
        "required": True, "state": "rejected", "in_force": False, "waived": []
    }  # fmt: skip
    (listed,) = json.loads(desk("list", "--json"))["requests"]
    shown = json.loads(desk("show", sha256, "--json"))
    assert listed.items() <= shown.items()
    assert shown["text"] == REQUEST
    assert [(e["kind"], e["actor"], e["reason"]) for e in shown["events"]] == [
        ("submitted", LEE, None), ("rejected", AHN, "too much")
    ]  # fmt: skip


def test_all_violations_at_once(desk, tmp_path):
    """Checked or submitted: each is named, and nothing is kept."""
    bad = (
        REQUEST.replace('"research"', '"ads"').replace("k = 5", "k = 2").replace("clicks", "klick")
    )
    (tmp_path / "request.toml").write_text(bad)
    for output in (
        desk("check", "TMP/request.toml", code=3),
        desk("submit", "TMP/request.toml", actor=LEE, code=3),
    ):
        for said in ("purpose: the policy admits", "release.privacy.k: at least 5", "mean clicks?"):
            assert said in output
    assert desk("list") == ""


@pytest.mark.parametrize(
    ("arguments", "actor", "code", "says"),
    [
        (("approve", "TMP/request.toml", "--reason", "x"), AHN, 7, "was never submitted"),
        (("show", "abcdef"), None, 7, "no request starts so"),
        (("show", "abcde"), None, 7, "neither an ID"),
        (("submit", "TMP/request.toml"), AHN, 10, "is no researcher here"),
        (("submit", "TMP/request.toml"), "x@uni.example", 10, "not among [people]"),
        (("submit", "TMP/absent.toml"), LEE, 3, "can't be read"),
        (("new", "TMP/request.toml", "--source", "small"), None, 8, "exists already"),
        (("new", "TMP/no/x.toml", "--source", "small"), None, 8, "can't be written"),
        (("new", "TMP/x.toml", "--source", "other"), None, 6, "'other' is not in"),
    ],
)
def test_refusals(desk, arguments, actor, code, says):
    """One line, with an exit code for its kind."""
    output = desk(*arguments, actor=actor, code=code)
    assert says in output
    assert len(output.strip().splitlines()) == 1


def test_nobody_approves_his_own(desk):
    """Also where one person has every duty: an approval is somebody else's."""
    desk("submit", "TMP/request.toml", actor=LEE)
    said = desk("approve", "TMP/request.toml", "--reason", "mine", actor=LEE, code=10)
    assert "is no steward here" in said


def test_a_text_is_shown_as_it_is(desk, tmp_path):
    """What a terminal would obey, or what turns a line around, is spelt out."""
    (tmp_path / "request.toml").write_text("# \u009b2J \u202e olleh\n" + REQUEST)
    desk("submit", "TMP/request.toml", actor=LEE)
    assert r"# \u009b2J \u202e olleh" in desk("show", "TMP/request.toml")


def test_a_new_request_lacks_a_name_alone(desk, tmp_path):
    """The template is refused for the researcher, and passes once he is named."""
    assert "next: kohort request check" in desk("new", "TMP/new.toml", "--source", "small")
    assert "researcher" in desk("check", "TMP/new.toml", code=3)
    text = (tmp_path / "new.toml").read_text()
    (tmp_path / "new.toml").write_text(text.replace('researcher = ""', f'researcher = "{LEE}"'))
    assert "promise: k = 5" in desk("check", "TMP/new.toml")
    desk("submit", "TMP/new.toml", actor=LEE)


POLICIES = [
    Policy(purposes=("research",), recipients=("*",), legal_bases=("consent",)),
    Policy(
        purposes=("teaching", "re\u00adsearch"),
        recipients=("*@uni.example",),
        legal_bases=("consent",),
        minors=True,
        projects=("study-1",),
        limits=Limits(suppression=0.01, item_suppression=0.1, maximum_share=0.5),
    ),
]
LEARNERS_ONLY = FAMILY.split("[views.enrolments]")[0]


def lines_to_open(text: str) -> list[str]:
    """The columns and options that stand in comments."""
    return [
        line
        for line in text.splitlines()
        if re.match(r'\s*# ("|weights|recoding|csv|k =|maximum_share)', line)
    ]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", ["coursera", "oulad", FAMILY, LEARNERS_ONLY])
def test_every_line_of_a_template_may_be_opened(family: str, policy: Policy, tmp_path: Path):
    """Whatever the family and the policy: as it stands, and with any one comment made a line."""
    name = family
    if "\n" in family:
        (tmp_path / "small.toml").write_text(family)
        (tmp_path / "area.csv").write_text(AREA)
        name = "small.toml"
    loaded = load_family(name, base=tmp_path).family
    sources = {"mine": SourceSettings(family=name, location="data")}
    workspace = Workspace(tmp_path, sources, policy, {})
    text = template("mine", loaded, policy).replace('researcher = ""', f'researcher = "{LEE}"')
    plan_request(read_request(text), workspace)
    views = [view for view in loaded.views.values() if view.grain is not Grain.EVENT]
    columns = {n: c.role for view in views for n, c in view.columns.items()}
    roles = dict(re.findall(r'"(\w+)",  # ([\w-]+)', text))
    assert roles == {name: str(role) for name, role in columns.items()}
    if "enrolments" not in loaded.views:
        return
    for line in lines_to_open(text):
        opened = text.replace(line, line.replace("# ", "", 1))
        item = re.match(r'\s*# ("\w+"),  # item', line)
        if item:  # one of them, and not two
            opened = re.sub(r'\n    "\w+",  # item[^\n]*', "", opened.replace(line, ""))
            opened = opened.replace("enrolments = [", f"enrolments = [{item[1]},")
        column = next(iter(re.findall(r'"(\w+)"', line)), None)
        role = columns.get(column, "")
        if "=" in line and column is not None:  # an option about a column: ask for it, too
            opened = opened.replace(f'    # "{column}"', f'    "{column}"')
        elif column in loaded.views["learners"].columns and role != "quasi-identifier":
            opened = opened.replace('"course"', '"release"', 1).replace("# item_supp", "item_supp")
        plan_request(read_request(opened), workspace)
