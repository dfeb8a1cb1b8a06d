"""`kohort key rotate`: what was known of learners is known under the new key."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from pipelines.governance.releases import members, releases
from pipelines.governance.rights import registry_digests
from pipelines.governance.tables import KeyEvent
from pipelines.keys import key_id, registry_key
from tests.governed import build, registry, workspace
from tests.smallworld import PEOPLE, consent, make_world, raw_id, run

K = 5
REASON = "a laptop was lost"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Everybody consents but one who withdrew, and a first package is out."""
    root = make_world(tmp_path)
    consent(root, states={3: "withdrawn"})
    request = root / "request.toml"
    text = request.read_text().replace("suppression_limit = 0.1", "suppression_limit = 0.2")
    request.write_text(text)
    build(root, "package")
    return root


def rotate(root: Path, *options: str, code: int = 0) -> str:
    """Rotate the registry key."""
    return run("key", "rotate", "--reason", REASON, *options, *workspace(root), code=code)


def shown(root: Path, number: int) -> dict[tuple[str, str], int]:
    """(raw id, item) -> class of the release with this number, as the registry knows them now."""
    ids = pl.Series([raw_id(i) for i in range(PEOPLE)])
    names = dict(zip(registry_digests(ids, registry_key(root / "ws")), ids, strict=True))
    found = members(registry(root), releases(registry(root))[number].id)
    return {(names[learner], item): group for learner, item, group in found.iter_rows()}


def test_learners_stay_who_they_were(world: Path) -> None:
    """Members, withdrawals, tombstones, history; and a release beside a live one keeps k."""
    before = shown(world, 0)
    groups: dict[tuple[str, int], set[str]] = {}
    for (learner, item), group in before.items():
        groups.setdefault((item, group), set()).add(learner)
    gone = min(min(who) for who in groups.values() if len(who) == K)
    run("rights", "erase", gone, "--reason", "asked by letter", *workspace(world))
    said = rotate(world), rotate(world, "--json")
    assert len(registry_key(world / "ws")) == 96
    assert shown(world, 0) == before

    build(world, "rebuilt")
    second = shown(world, 1)
    assert not {gone, raw_id(3)} & {learner for learner, _ in second}
    cells: dict[tuple[object, ...], set[str]] = {}
    for each in before.keys() | second.keys():
        cells.setdefault((each[1], before.get(each), second.get(each)), set()).add(each[0])
    assert min(map(len, cells.values())) >= K

    held = json.loads(run("rights", "show", gone, "--json", *workspace(world)))
    assert [one["state"] for one in held["records"]] == ["granted", "erased"]
    assert len(held["releases"]) == 1
    file = str(world / "rights.csv")
    assert "erased" in run("rights", "import", file, *workspace(world), code=7)
    run("audit", "verify", *workspace(world))
    assert "back up keys/ and the registry together" in said[0]
    told = json.loads(said[1])
    assert (told["records"], told["members"]) == (PEOPLE + 4, len(before))


def test_only_new_copies_work(world: Path) -> None:
    """The key from before is refused by all that asks for a learner, with what to do."""
    kept = world / "kept"
    shutil.copytree(world / "ws" / "keys", kept)
    rotate(world)
    shutil.rmtree(world / "ws" / "keys")
    shutil.copytree(kept, world / "ws" / "keys")
    told = [
        run("rights", "show", raw_id(3), *workspace(world), code=6),
        run("rights", "restrict", raw_id(3), *workspace(world), code=6),
        run("rights", "erase", raw_id(3), "--reason", "letter", *workspace(world), code=6),
        run("rights", "import", str(world / "rights.csv"), *workspace(world), code=6),
        str(build(world, "rebuilt", code=6)["said"]),
        rotate(world, code=6),
    ]
    assert all("restore keys/ and the registry from the same backup" in said for said in told)
    assert not any(raw_id(3) in said for said in told)


def test_a_new_registry_remembers_its_key(tmp_path: Path) -> None:
    """`kohort init` records it, by its id."""
    run("init", str(tmp_path / "ws"), "--local")
    with registry(tmp_path).connect() as connection:
        told = connection.execute(select(KeyEvent.kind, KeyEvent.key_id, KeyEvent.event)).all()
    assert told == [("registry", key_id(registry_key(tmp_path / "ws")), "created")]


def test_who_may_rotate(tmp_path: Path) -> None:
    """A steward; he says why."""
    named = ("--person", "s@x.example=steward", "--person", "e@x.example=engineer")
    run("init", str(tmp_path / "ws"), *named)
    rotate(tmp_path, "--as", "e@x.example", code=10)
    run("key", "rotate", *workspace(tmp_path), "--as", "s@x.example", code=2)
    assert "the digests of 0 rights records" in rotate(tmp_path, "--as", "s@x.example")
