"""Builds on an export that knows a learner by another id in each domain."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.main import main
from pipelines.governance.database import open_registry
from pipelines.governance.releases import members
from pipelines.governance.rights import registry_digests
from pipelines.keys import registry_key
from pipelines.settings import find_workspace
from tests.reference.items import joint_cells
from tests.smallworld import run

K = 5
PEOPLE = 50
TWICE = 46
"""Has two forum ids, and so is two of the five ids that the forum knows in the south."""

FAMILY = """
family = "school"
title = "A school whose forum has ids of its own"
learner = "partner_user_id"
item = "course_id"
partner_pattern = '^(?!course_)([a-z]+?)(?:_forum)?_user_id$'

[tables.users]
grain = "learner"
key = ["partner_user_id"]
[tables.users.columns]
partner_user_id = { role = "learner-key", aliases = ["{partner}_user_id"] }
region = { role = "quasi-identifier", values = ["north", "south"] }

[tables.memberships]
grain = "learner-course"
key = ["partner_user_id", "course_id"]
[tables.memberships.columns]
partner_user_id = { role = "learner-key", aliases = ["{partner}_user_id"] }
course_id = { role = "item" }

[tables.profiles]
grain = "learner"
key = ["partner_user_id"]
[tables.profiles.columns]
partner_user_id = { role = "learner-key", aliases = ["{partner}_forum_user_id"] }
region = { role = "quasi-identifier", values = ["north", "south"] }

[tables.posts]
grain = "event"
[tables.posts.columns]
partner_user_id = { role = "learner-key", aliases = ["{partner}_forum_user_id"] }
course_id = { role = "item" }
text = { role = "free-text" }

[tables.ids]
grain = "learner-course"
optional = true
bridge = ["*_user_id"]
dropped = ["*_user_id"]
[tables.ids.columns]
partner_user_id = { role = "learner-key", aliases = ["{partner}_user_id"] }

[views.learners]
grain = "learner"
table = "LISTING"
[views.learners.columns]
region = { role = "quasi-identifier", values = ["north", "south"], description = "Region." }

[views.enrolments]
grain = "learner-course"
table = "TAKEN"
[views.enrolments.columns]
course_id = { role = "item", description = "Course." }
"""
SOURCES = {
    "core": ("users", "memberships"),
    "forum": ("profiles", "posts"),
    "plain": ("profiles", "posts"),
}
"""Sources of one folder: the tables that a build on each of them reads. The last has no bridge."""

REQUEST = """
title = "Courses by region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "SOURCE"
[release]
type = "microdata"
pseudonyms = "release"
learners = ["region"]
enrolments = ["course_id"]
[release.privacy]
k = 5
suppression_limit = 0.2
"""


def ids_of(number: int) -> dict[str, str]:
    """A person's id in each domain."""
    return {name: f"{name}id{number:03d}" for name in ("core", "forum", "course")}


def export() -> dict[str, list[str]]:
    """Each table's lines: everybody takes maths, some statistics; two of these never ask there."""
    bridge = [",".join(ids_of(n).values()) for n in range(PEOPLE)]
    core, forum, _ = ids_of(TWICE).values()
    region = {n: "north" if n < TWICE else "south" for n in range(PEOPLE)}
    taken = [(n, "maths") for n in region] + [(n, "statistics") for n in range(18)]
    asked = [(ids_of(n)["forum"], course) for n, course in taken if (n, course) not in
             {(0, "statistics"), (1, "statistics")}]  # fmt: skip
    return {
        "users": ["jhu_user_id,region", *(f"{ids_of(n)['core']},{r}" for n, r in region.items())],
        "memberships": [
            "jhu_user_id,course_id",
            *(f"{ids_of(n)['core']},{course}" for n, course in taken),
        ],
        "profiles": [
            "jhu_forum_user_id,region",
            *(f"{ids_of(n)['forum']},{r}" for n, r in region.items()),
            f"{forum}b,south",
        ],
        "posts": [
            "jhu_forum_user_id,course_id,text",
            *(f"{one},{course},Hello" for one, course in [*asked, (f"{forum}b", "maths")]),
        ],
        "ids": ["jhu_user_id,jhu_forum_user_id,course_user_id", *bridge, f"{core},{forum}b,"],
    }


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A workspace in which all that either source knows may be used."""
    (tmp_path / "data").mkdir()
    for table, lines in export().items():
        (tmp_path / f"data/{table}.csv").write_text("\n".join([*lines, ""]))
    named = []
    for name, (listing, taken) in SOURCES.items():
        text = FAMILY.replace("LISTING", listing).replace("TAKEN", taken)
        if name == "plain":
            text = text[: text.index("[tables.ids]")] + text[text.index("[views.learners]") :]
        (tmp_path / f"{name}.toml").write_text(text)
        named += ["--source", f"{name}={tmp_path / name}.toml:{tmp_path / 'data'}"]
    run("init", str(tmp_path / "ws"), "--local", *named)
    for name in SOURCES:
        rights(tmp_path, "import", "--all-in", name, "--state", "granted", "--legal-basis",
               "published-dataset", "--note", "a test")  # fmt: skip
    return tmp_path


def rights(root: Path, *arguments: str) -> None:
    """A command on rights."""
    run("rights", *arguments, "--workspace", str(root / "ws"))


def state(root: Path, learner_id: str, said: str) -> None:
    """A file says this of one id, and of no other id of the person."""
    head = "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version,"
    line = f"{learner_id},*,*,{said},,GB,1,2021-01-01,,letter"
    (root / "rights.csv").write_text(f"{head}effective_from,effective_to,source\n{line}\n")
    rights(root, "import", str(root / "rights.csv"))


def build(root: Path, name: str, source: str) -> str:
    """Build on a source; the release's id."""
    (root / "request.toml").write_text(REQUEST.replace("SOURCE", source))
    out = ("--out", str(root / name), "--workspace", str(root / "ws"), "--json")
    return json.loads(run("build", str(root / "request.toml"), *out))["release"]


def released(root: Path, name: str, table: str = "learners") -> pl.DataFrame:
    """A table of a package."""
    return pl.read_parquet(root / name / f"data/{table}.parquet")


def is_absent(root: Path, name: str, ident: str, learner_id: str) -> bool:
    """Whether no pseudonym of the person, whichever id is given, is in a package."""
    file = root / f"absent-{name}-{learner_id}.json"
    run("release", "pseudonyms", ident, "--learner-id", learner_id, "--out", str(file),
        "--workspace", str(root / "ws"))  # fmt: skip
    said = json.loads(file.read_text())["pseudonyms"]
    frames = [released(root, name, table) for table in ("learners", "enrolments")]
    found = any(frame["learner"].is_in(said).any() for frame in frames)
    run("verify", str(root / name), "--absent-key", str(file), code=int(found))
    return not found


def shown(root: Path, ident: str) -> dict[str, tuple[int, frozenset[str]]]:
    """Digest -> class and items of a release."""
    found: dict[str, tuple[int, set[str]]] = {}
    registry = open_registry(find_workspace(root / "ws").database)
    for who, item, of_class in members(registry, ident).rows():
        found.setdefault(who, (of_class, set()))[1].add(item)
    return {who: (of_class, frozenset(items)) for who, (of_class, items) in found.items()}


@pytest.mark.parametrize(
    ("source", "named", "said"),
    [
        ("forum", "core", "withdrawn"),
        ("forum", "core", "erased"),
        ("forum", "course", "erased"),
        ("core", "forum", "withdrawn"),
        ("core", "course", "erased"),
        ("plain", "core", "withdrawn"),
        ("plain", "course", "erased"),
    ],
)
def test_a_right_under_another_id_keeps_the_person_out(world: Path, source, named, said):
    """The source that is read knows him by an id that no record names; another has the bridge."""
    state(world, ids_of(7)[named], said)
    ident = build(world, "package", source)
    decided = json.loads((world / "package.steward/eligibility.json").read_text())
    assert decided["learners"][said] == 1
    assert is_absent(world, "package", ident, ids_of(7)["core" if source == "core" else "forum"])
    assert not is_absent(world, "package", ident, ids_of(8)[named])


@pytest.mark.parametrize("named", ["core", "forum", "course"])
def test_an_erasure_under_any_id_reaches_the_next_build(world: Path, named: str):
    """Of the one who is two in the forum, too: he is in the first, and in no later one."""
    path = world / "data/profiles.csv"
    path.write_text(path.read_text().replace("north", "south", 8))
    first = build(world, "first", "forum")
    assert not is_absent(world, "first", first, ids_of(TWICE)["core"])
    rights(world, "erase", ids_of(TWICE)[named], "--reason", "letter")
    second = build(world, "second", "forum")
    for each in (*ids_of(TWICE).values(), f"{ids_of(TWICE)['forum']}b"):
        assert is_absent(world, "second", second, each)


@pytest.mark.parametrize("linked", [True, False])
def test_two_ids_of_one_person_are_one_learner(world: Path, linked: bool):
    """Five ids of four persons are no class of five; without the bridge nobody could tell."""
    if not linked:
        (world / "data/ids.csv").unlink()
    build(world, "package", "forum")
    found = released(world, "package")
    assert (found["region"] == "south").sum() == (0 if linked else K)
    assert len(found) == (TWICE if linked else PEOPLE + 1)
    taken = released(world, "package", "enrolments")
    assert taken.n_unique() == len(taken)


def test_builds_on_two_domains_are_held_against_each_other(world: Path):
    """A person is the same in both: who is seen in one course here and in two there has company."""
    first = shown(world, build(world, "first", "core"))
    second = shown(world, build(world, "second", "forum"))
    key = registry_key(world / "ws")
    core = registry_digests(pl.Series([ids_of(n)["core"] for n in range(PEOPLE)]), key)
    assert {*core[:2]} < first.keys()
    assert second.keys() < {*core}
    assert min(map(len, joint_cells([first, second], "full").values())) >= K
    # Were everybody in the second who is in the first, two would be alone.
    unheld = {who: (of, items - {"statistics"} if who in core[:2] else items)
              for who, (of, items) in first.items()}  # fmt: skip
    assert min(map(len, joint_cells([first, unheld], "full").values())) == 2


def add_bridge(root: Path, *lines: str) -> None:
    """More rows of the bridge table."""
    with (root / "data/ids.csv").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_a_bridge_that_cannot_be_read_refuses_every_build(world: Path):
    """Nobody knows then whom the rights that are on record concern; nothing is written."""
    (world / "data/ids.csv").write_text("jhu_user_id\ncoreid000\n")
    (world / "request.toml").write_text(REQUEST.replace("SOURCE", "plain"))
    words = ("--out", str(world / "package"), "--workspace", str(world / "ws"))
    assert "has 1 of two columns" in run("build", str(world / "request.toml"), *words, code=4)
    assert not (world / "package").exists()


def test_who_else_another_source_knows_changes_no_version(world: Path):
    """A recorded release is given out again, though another source learned of a stranger."""
    first = build(world, "first", "plain")
    add_bridge(world, "stranger,forumstranger,", "zero,0,", "one,0,")
    assert build(world, "second", "plain") == first
    add_bridge(world, f"{ids_of(3)['core']},{ids_of(3)['forum']}c,")
    assert build(world, "third", "plain") != first


@pytest.mark.parametrize("source", ["core", "forum", "plain"])
def test_strangers_who_share_a_row_are_left_out(world: Path, source: str):
    """A placeholder makes two persons one: a grant of the one must not permit the other."""
    rights(world, "set", ids_of(9)["core"], "--state", "withdrawn", "--purpose", "research")
    add_bridge(world, f"{ids_of(8)['core']},0,", f"{ids_of(9)['core']},0,")
    ident = build(world, "package", source)
    decided = json.loads((world / "package.steward/eligibility.json").read_text())
    assert decided["ambiguous_ids"] == {"learners": 2}
    assert decided["learners"] == {"granted": PEOPLE - 2}
    key = registry_key(world / "ws")
    ids = pl.Series([one for n in (8, 9) for one in ids_of(n).values()])
    assert not {*registry_digests(ids, key)} & shown(world, ident).keys()


def show(root: Path, learner_id: str) -> dict[str, object]:
    """What is held of a learner."""
    words = ["rights", "show", learner_id, "--workspace", str(root / "ws"), "--json"]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 0
    assert ("Warning" in answer.stderr) == (json.loads(answer.stdout)["warning"] is not None)
    return json.loads(answer.stdout)


def test_a_bad_row_stops_an_erasure_and_no_answer(world: Path):
    """Whoever asks what is held gets it, of his id alone; a stranger gets no tombstone."""
    core = ids_of(8)["core"]
    assert (show(world, core)["ids"], show(world, core)["warning"]) == (3, None)
    state(world, ids_of(9)["core"], "withdrawn")
    add_bridge(world, f"{core},0,", f"{ids_of(9)['core']},0,")
    held = show(world, core)
    assert (held["ids"], held["records"]) == (1, [])
    assert "give one person 2 learner keys" in str(held["warning"])
    words = ("rights", "erase", core, "--reason", "letter", "--workspace", str(world / "ws"))
    assert "give one person 2 learner keys" in run(*words, code=4)
    assert show(world, core)["records"] == []


def test_an_erasure_needs_an_id_that_somebody_has(world: Path):
    """With a character that nobody sees, the id is another, and its tombstone is nobody's."""
    for learner_id in (f"{ids_of(8)['core']}\u200b", "NA", "1,000"):
        words = ("rights", "erase", learner_id, "--reason", "letter")
        assert "learner_id" in run(*words, "--workspace", str(world / "ws"), code=7)
    assert show(world, ids_of(8)["core"])["records"] == []
