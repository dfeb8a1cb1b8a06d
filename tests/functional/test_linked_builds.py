"""Linked scope: one pseudonym joins the extracts of a project, and no others."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines.keys import project_key
from tests.reference.pseudonym import linked_pseudonym
from tests.reference.union import groups_of, holds
from tests.smallworld import PEOPLE, consent, make_world, raw_id, run

K = 5
BROAD = """
learners = ["gender", "region"]
enrolments = ["code_module", "clicks"]
"""
NARROW = """
learners = ["region"]
enrolments = ["code_module"]
"""
REQUEST = """
title = "Results by region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "{source}"
[release]
type = "microdata"
{scope}
{columns}
[release.privacy]
k = 5
suppression_limit = 0.2
"""
STUDY = 'pseudonyms = "linked"\nproject = "study"'


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Everybody consents; the policy knows a project; a second source has the same learners."""
    root = make_world(tmp_path)
    consent(root)
    policy, settings = root / "ws/policy.toml", root / "ws/kohort.toml"
    policy.write_text(policy.read_text().replace("projects = []", 'projects = ["study"]'))
    text = settings.read_text()
    settings.write_text(text + text[text.index("[sources.small]") :].replace(".small]", ".other]"))
    return root


def build(root: Path, name: str, columns: str, *, scope=STUDY, source="small", code=0):
    """Build a request for these columns; what is said of it, or the error."""
    request = root / f"{name}.toml"
    request.write_text(REQUEST.format(source=source, scope=scope, columns=columns))
    out = ("--out", str(root / name), "--workspace", str(root / "ws"), "--json")
    said = run("build", str(request), *out, code=code)
    return json.loads(said) if code == 0 else said


def release(root: Path, command: str, ident: str, *options: str, code: int = 0) -> str:
    """Do something to a release."""
    return run("release", command, ident, *options, "--workspace", str(root / "ws"), code=code)


def end(root: Path, ident: str) -> None:
    """Recall a release, and have its only recipient confirm."""
    release(root, "recall", ident, "--reason", "the study is over")
    release(root, "confirm", ident, "--recipient", "r.lee@uni.example")


def told(root: Path, name: str) -> dict[str, object]:
    """What a package tells, as the reference takes it."""
    learners = pl.read_parquet(root / name / "data/learners.parquet")
    return {
        "learners": learners.to_dicts(),
        "enrolments": pl.read_parquet(root / name / "data/enrolments.parquet").to_dicts(),
        "quasi": [column for column in learners.columns if column != "learner"],
        "item": "code_module",
        "k": K,
        "m": "full",
    }


def people(root: Path, name: str) -> dict[int, str]:
    """Number of a learner -> his pseudonym in a package, computed anew under the project's key."""
    key = project_key(root / "ws", "study")
    names = {linked_pseudonym(key, raw_id(i)): i for i in range(PEOPLE)}
    return {names[row["learner"]]: row["learner"] for row in told(root, name)["learners"]}


def everybody(root: Path) -> dict[str, object]:
    """What the narrow extract would tell if it held all who permit it."""
    key = project_key(root / "ws", "study")
    names = {i: linked_pseudonym(key, raw_id(i)) for i in range(PEOPLE)}
    learners = [{"learner": name, "region": "AABB"[i % 4]} for i, name in names.items()]
    taken = [(i, course) for i in names for course in ("xy" if i % 3 == 0 else "x")]
    enrolments = [{"learner": names[i], "code_module": course} for i, course in taken]
    return {"learners": learners, "enrolments": enrolments, "quasi": ["region"],
            "item": "code_module", "k": K, "m": "full"}  # fmt: skip


def union(root: Path, *names: str) -> dict[str, object]:
    """The checker's word on packages together; every one of them holds alone, too."""
    first, *others = (str(root / name) for name in names)
    linked = [word for other in others for word in ("--linked-with", other)]
    said = json.loads(run("verify", first, *linked, "--json"))
    assert said["ok"]
    return said["union"]


def test_a_learner_has_one_name_in_all_extracts_of_a_project(world: Path):
    """In both he is called the same, and what stands beside the name is his own."""
    build(world, "broad", BROAD)
    build(world, "narrow", NARROW)
    assert people(world, "broad").keys() & people(world, "narrow").keys()
    for name in ("broad", "narrow"):
        numbers = {pseudonym: number for number, pseudonym in people(world, name).items()}
        for row in told(world, name)["learners"]:
            number = numbers[row["learner"]]
            assert row["region"] in {"*", "AABB"[number % 4], ["a1", "a2", "b1", "b2"][number % 4]}
            assert row.get("gender", "*") in {"*", "FM"[number // 4 % 2]}
        for row in told(world, name)["enrolments"]:
            assert row["code_module"] == "x" or numbers[row["learner"]] % 3 == 0


def test_other_scopes_share_no_name_with_a_project(world: Path):
    """A release of its own has pseudonyms of its own."""
    build(world, "broad", BROAD)
    build(world, "apart", BROAD, scope='pseudonyms = "release"')
    linked, apart = ({row["learner"] for row in told(world, n)["learners"]} for n in
                     ("broad", "apart"))  # fmt: skip
    assert linked
    assert apart
    assert not linked & apart


def test_the_union_keeps_the_promise(world: Path):
    """As the checker counts and as it is counted slowly; all who permit it would break it."""
    build(world, "broad", BROAD)
    build(world, "narrow", NARROW)
    broad, narrow = told(world, "broad"), told(world, "narrow")
    groups = groups_of([narrow, broad])
    assert holds(groups)
    found = union(world, "narrow", "broad")
    assert found["k_found"] == min(map(len, groups.values()))
    assert union(world, "broad", "narrow")["k_found"] == found["k_found"]
    assert not holds(groups_of([everybody(world), broad]))


def test_an_extract_after_an_erasure(world: Path):
    """Who stays keeps his name; who is gone, and the k who left with him, tell nothing."""
    before = build(world, "before", BROAD)
    gone = min(people(world, "before"))
    run("rights", "erase", raw_id(gone), "--reason", "letter", "--workspace", str(world / "ws"))
    after = build(world, "after", BROAD)
    assert not after["again"]
    left = people(world, "before").keys() - people(world, "after").keys()
    assert gone in left
    assert len(left) >= K
    assert people(world, "after").items() <= people(world, "before").items()
    groups = groups_of([told(world, "after"), told(world, "before")])
    assert holds(groups)
    assert union(world, "after", "before")["k_found"] == min(map(len, groups.values()))
    for name, built, code in (("before", before, 1), ("after", after, 0)):
        file = world / f"absent-{name}.json"
        release(world, "pseudonyms", built["release"], "--learner-id", raw_id(gone),
                "--out", str(file))  # fmt: skip
        run("verify", str(world / name), "--absent-key", str(file), code=code)


def test_a_project_that_the_policy_does_not_name(world: Path):
    """Refused by name before anything is read, and no key is made for it."""
    said = build(world, "broad", BROAD, scope=STUDY.replace("study", "hobby"), code=3)
    assert "release.project: the policy links the extracts of: study" in said
    assert project_key(world / "ws", "hobby") is None
    assert not (world / "broad").exists()


def test_a_project_belongs_to_one_source(world: Path):
    """Ids of two sources would be joined by it: refused until the first source's are destroyed."""
    first = build(world, "broad", BROAD)["release"]
    said = build(world, "other", BROAD, source="other", code=5)
    assert "another source" in said
    release(world, "recall", first, "--reason", "the study is over")
    build(world, "other", BROAD, source="other", code=5)
    release(world, "confirm", first, "--recipient", "r.lee@uni.example")
    build(world, "other", BROAD, source="other")


def test_the_key_of_a_project_is_not_destroyed_with_one_extract(world: Path):
    """Others share it: refused, served or recalled, and the key still tells who is absent."""
    ident = build(world, "broad", BROAD)["release"]
    destroy = ("destroy-key", ident, "--reason", "over")
    assert "has ended" in release(world, *destroy, code=7)
    release(world, "recall", ident, "--reason", "over")
    assert "is linked" in release(world, *destroy, code=7)
    assert people(world, "broad")


def test_a_recalled_extract_counts_until_it_is_destroyed(world: Path):
    """Then the next one shows all who permit it, and the workspace's copy is gone."""
    broad = build(world, "broad", BROAD)["release"]
    release(world, "recall", broad, "--reason", "a fault")
    beside = build(world, "beside", NARROW)["release"]
    assert union(world, "beside", "broad")["k_found"] >= K
    assert len(people(world, "beside")) < PEOPLE
    assert (world / "ws/releases" / broad).is_dir()
    release(world, "confirm", broad, "--recipient", "r.lee@uni.example")
    assert not (world / "ws/releases" / broad).exists()
    end(world, beside)
    build(world, "alone", NARROW)
    assert len(people(world, "alone")) == PEOPLE


def test_extracts_without_their_key_are_linked_with_none(world: Path):
    """Once a project's key is destroyed, its recalled extracts need no copy to be checked on."""
    first = build(world, "broad", BROAD)["release"]
    release(world, "recall", first, "--reason", "the study is over")
    copy = world / "ws/releases" / first
    where = ("--workspace", str(world / "ws"))
    run("recover", *where)
    assert copy.is_dir()  # it is live, and would be checked on
    run("key", "destroy-project", "study", "--reason", "the study is over", *where)
    run("recover", *where)
    assert not copy.exists()
    before = pl.read_parquet(world / "broad/data/learners.parquet")["learner"]
    build(world, "again", BROAD)
    after = pl.read_parquet(world / "again/data/learners.parquet")["learner"]
    assert not set(before) & set(after)


def test_a_copy_that_is_lost_stops_the_project(world: Path):
    """The union can't be counted without it, so nothing more is linked; other scopes go on."""
    ident = build(world, "broad", BROAD)["release"]
    shutil.rmtree(world / "ws/releases" / ident)
    assert f"release {ident}: its copy is not in this workspace" in build(
        world, "narrow", NARROW, code=7
    )
    assert not (world / "narrow").exists()
    build(world, "narrow", NARROW, scope='pseudonyms = "release"')
