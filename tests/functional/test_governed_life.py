"""A learner's way through releases: released, erased, recalled, rebuilt without, proven absent."""

import json
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.governance.releases import members, release, releases
from pipelines.governance.rights import registry_digests
from pipelines.keys import registry_key
from tests.governed import build, registry, workspace
from tests.smallworld import PEOPLE, consent, make_world, raw_id, run

K = 5


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Everybody consents, and a first package is out."""
    root = make_world(tmp_path)
    consent(root)
    request = root / "request.toml"
    request.write_text(
        request.read_text().replace("suppression_limit = 0.1", "suppression_limit = 0.2")
    )
    build(root, "package")
    return root


def raw_of(root: Path) -> dict[str, str]:
    """Digest -> raw id."""
    ids = pl.Series([raw_id(i) for i in range(PEOPLE)])
    digests = registry_digests(ids, registry_key(root / "ws"))
    return dict(zip(digests, ids, strict=True))


def shown(root: Path, number: int) -> dict[tuple[str, str], int]:
    """(raw id, item) -> class of the release with this number."""
    found, names = releases(registry(root))[number], raw_of(root)
    rows = members(registry(root), found.id).rows()
    return {(names[learner], item): group for learner, item, group in rows}


def of_class_k(root: Path) -> tuple[str, set[str]]:
    """A learner of a class with exactly k learners in an item, and who is in it."""
    groups: dict[tuple[str, int], set[str]] = {}
    for (learner, item), group in shown(root, 0).items():
        groups.setdefault((item, group), set()).add(learner)
    exact = [who for who in groups.values() if len(who) == K]
    assert exact, "the small world has a class of exactly k"
    return min(exact[0]), exact[0]


def absence(root: Path, learner: str, number: int, *, code: int = 0) -> Path:
    """The file of the learner's pseudonyms in the release with this number."""
    found = releases(registry(root))[number]
    file = root / f"absent-{number}-{code}.json"
    package = ["package", "rebuilt", "ignoring"][number]
    run("release", "pseudonyms", found.id, "--learner-id", learner, "--out", str(file),
        "--package", str(root / package), *workspace(root), code=code)  # fmt: skip
    return file


def test_a_class_of_exactly_k_loses_one(world: Path):
    """The rebuild succeeds; the class goes with its learner, and every joint cell keeps k."""
    learner, group = of_class_k(world)
    run("rights", "erase", learner, "--reason", "asked by letter", *workspace(world))
    built = build(world, "rebuilt")
    assert not built["again"]
    first, second = shown(world, 0), shown(world, 1)
    assert learner not in {who for who, _ in second}
    cells: dict[tuple[object, ...], set[str]] = {}
    for who, item in first.keys() | second.keys():
        seen = (item, first.get((who, item)), second.get((who, item)))
        cells.setdefault(seen, set()).add(who)
    assert min(map(len, cells.values())) >= K
    assert group in cells.values(), "the k of the old class are gone together"


def test_an_erased_learner_is_proven_absent(world: Path):
    """The proof fails on the package before, holds on the rebuild, and ends with the key."""
    learner, _ = of_class_k(world)
    run("rights", "erase", learner, "--reason", "asked by letter", *workspace(world))
    build(world, "rebuilt")
    before, after = absence(world, learner, 0), absence(world, learner, 1)
    run("verify", str(world / "package"), "--absent-key", str(before), code=1)
    assert "absent" in run("verify", str(world / "rebuilt"), "--absent-key", str(after))
    # Nobody else can be told from the file, nor the learner from what is printed.
    assert learner not in before.read_text()
    ident = releases(registry(world))[0].id
    run("release", "recall", ident, "--reason", "erasure", *workspace(world))
    run("release", "destroy-key", ident, "--reason", "erasure", *workspace(world))
    absence(world, learner, 0, code=7)
    gone = world / "absent-0-7.json"
    said = run("verify", str(world / "package"), "--absent-key", str(gone), code=1)
    assert "can't be checked" in said


def test_a_rebuild_that_ignores_the_erasure_is_caught(world: Path):
    """Were the tombstone lost, the proof of absence would fail on what is built then."""
    learner, _ = of_class_k(world)
    run("rights", "erase", learner, "--reason", "asked by letter", *workspace(world))
    build(world, "rebuilt")
    with registry(world).begin() as connection:
        connection.execute(text("DELETE FROM rights_record WHERE state = 'erased'"))
    build(world, "ignoring")
    file = absence(world, learner, 2)
    run("verify", str(world / "ignoring"), "--absent-key", str(file), code=1)


def test_an_erased_learner_is_not_imported_again(world: Path):
    """A file that names him is refused whole, and says where, not whom."""
    run("rights", "erase", raw_id(7), "--reason", "asked by letter", *workspace(world))
    said = run("rights", "import", str(world / "rights.csv"), *workspace(world), code=7)
    assert "erased" in said
    assert raw_id(7) not in said


def test_the_same_request_gives_the_same_release(world: Path):
    """On the same data nothing is built anew: the same bytes come out, under the same id."""
    built = build(world, "again")
    assert built["again"]
    assert built["release"] == releases(registry(world))[0].id
    for file in (world / "package").rglob("*"):
        if file.is_file():
            copy = world / "again" / file.relative_to(world / "package")
            assert copy.read_bytes() == file.read_bytes()
    assert len(releases(registry(world))) == 1


@pytest.mark.parametrize("change", ["recall", "rights"])
def test_what_ended_is_never_given_out_again(world: Path, change: str):
    """After a recall, or once a right has changed, the same request makes a new release."""
    first = releases(registry(world))[0].id
    if change == "recall":
        run("release", "recall", first, "--reason", "a fault", *workspace(world))
    else:
        run("rights", "restrict", raw_id(3), *workspace(world))
    built = build(world, "rebuilt")
    assert not built["again"]
    assert built["release"] != first
    assert not release(registry(world), first).served
    assert not (world / "ws" / "releases" / first).exists()


def test_a_corrected_source_makes_a_new_release(world: Path):
    """Rectification (GDPR 16) is seen by the next build, which is another version of the data."""
    first = json.loads((world / "package" / "datapackage.json").read_text())["kohort"]
    people = world / "data" / "people.csv"
    people.write_text(people.read_text().replace(f"{raw_id(4)},M", f"{raw_id(4)},F"))
    assert not build(world, "rebuilt")["again"]
    second = json.loads((world / "rebuilt" / "datapackage.json").read_text())["kohort"]
    assert first["data_version"] != second["data_version"]


def test_another_request_must_fit_beside_the_first(world: Path):
    """A second extract of the same learners keeps k in what both show together, or is refused."""
    request = world / "request.toml"
    request.write_text(request.read_text().replace('["gender", "region"]', '["gender"]'))
    build(world, "rebuilt")
    first, second = shown(world, 0), shown(world, 1)
    cells: dict[tuple[object, ...], set[str]] = {}
    for who, item in first.keys() | second.keys():
        cells.setdefault((item, first.get((who, item)), second.get((who, item))), set()).add(who)
    assert min(map(len, cells.values())) >= K


def test_the_steward_sees_what_the_live_releases_cost(world: Path):
    """Beside the rebuilt package: what it was held against, and how many left for it."""
    learner, _ = of_class_k(world)
    run("rights", "erase", learner, "--reason", "asked by letter", *workspace(world))
    build(world, "rebuilt")
    first = json.loads((world / "package.steward" / "beside.json").read_text())
    assert first == {"live_releases": [], "held_back": 0, "left_beside_the_departed": 0}
    second = json.loads((world / "rebuilt.steward" / "beside.json").read_text())
    assert second["live_releases"] == [releases(registry(world))[0].id]
    assert second["left_beside_the_departed"] >= K - 1
