"""What a cold review of the governance found: each was possible once."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.governance.releases import members, releases
from pipelines.governance.rights import registry_digests
from pipelines.keys import registry_key
from tests.governed import build, registry, workspace
from tests.smallworld import PEOPLE, consent, make_world, raw_id, run


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Everybody consents."""
    root = make_world(tmp_path)
    consent(root)
    return root


def policy(root: Path, old: str, new: str) -> None:
    """Change the policy."""
    file = root / "ws" / "policy.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_failed_init_leaves_keys_alone(tmp_path: Path):
    """A registry key that was restored from a backup is not removed, nor any other key."""
    keys = tmp_path / "ws" / "keys"
    keys.mkdir(parents=True)
    for name in ("registry.key", "release-00000000.key"):
        (keys / name).write_bytes(bytes(range(32)))
    server = ("--database", "postgresql+psycopg://u:secret@127.0.0.1:1/none")
    said = run("init", str(tmp_path / "ws"), *server, code=7)
    assert "secret" not in said
    assert (keys / "registry.key").read_bytes() == bytes(range(32))
    assert (keys / "release-00000000.key").exists()
    assert not (tmp_path / "ws" / "kohort.toml").exists()
    run("init", str(tmp_path / "other"), *server, code=7)
    assert not (tmp_path / "other" / "keys").exists()
    run("init", str(tmp_path / "other"))


def test_an_approval_is_of_what_the_policy_fills_in(world: Path):
    """Under a looser policy what was approved is not in force, and can be approved anew."""
    policy(world, "require_approval = false", "require_approval = true")
    settings = world / "ws" / "kohort.toml"
    people = '[people]\n"r.lee@uni.example" = ["researcher"]\n"s@a.example" = ["steward"]\n'
    settings.write_text(settings.read_text() + people)
    lee, steward = ("--as", "r.lee@uni.example"), ("--as", "s@a.example")
    request = str(world / "request.toml")
    run("request", "submit", request, *lee, *workspace(world))
    approve = ("request", "approve", request, "--reason", "k is five", *steward)
    run(*approve, *workspace(world))
    policy(world, "maximum_share = 0.8", "maximum_share = 1.0")
    out = ("--out", str(world / "package"))
    assert "under another policy" in run(
        "build", request, *out, *steward, *workspace(world), code=3
    )
    said = run("request", "check", request, *workspace(world), "--json")
    assert json.loads(said)["approval"]["in_force"] is False
    run(*approve, *workspace(world))
    run("build", request, *out, *steward, *workspace(world))


def test_one_person_does_not_invent_another(world: Path):
    """Where nobody is named nobody acts under a name, and nobody waives what he asks for."""
    request = str(world / "request.toml")
    run("request", "submit", request, *workspace(world))
    waive = ("request", "approve", request, "--reason", "ok", "--waive", "final_result")
    run(*waive, *workspace(world), code=10)
    run(*waive, "--as", "x@y.example", *workspace(world), code=10)


def test_what_was_taken_back_is_not_built(world: Path):
    """A withdrawn request is not built, though the policy requires no approval."""
    request = str(world / "request.toml")
    run("request", "submit", request, *workspace(world))
    run("request", "withdraw", request, *workspace(world))
    assert "withdrawn" in str(build(world, "package", code=3)["said"])


def test_a_release_is_passed_on_only_as_it_might_be_built(world: Path):
    """Not once a learner in it was erased, its purpose is gone, or its rows may not go there."""
    build(world, "package")
    ident = releases(registry(world))[0].id
    share = ("release", "share", ident, "m.cruz@uni.example", *workspace(world))
    places = '\n[places]\n"*@uni.example" = "US"\n\n[transfers]\nGB = ["EU"]\n'
    file = world / "ws" / "policy.toml"
    text = file.read_text()
    no_longer = [
        (text + places, 7),
        (text.replace('purposes = ["research"]', 'purposes = ["x"]'), 3),
        (text.replace('legal_bases = ["consent", ', "legal_bases = ["), 7),
        (text.replace("require_approval = false", "require_approval = true"), 7),
    ]
    for changed, code in no_longer:
        assert changed != text
        file.write_text(changed)
        run(*share, code=code)
    file.write_text(text)
    states = ("--state", "withdrawn", "--purpose", "research")
    run("rights", "set", raw_id(7), *states, *workspace(world))
    assert "not every learner in it permits that by now" in run(*share, code=7)
    again = ("--state", "granted", "--purpose", "research", "--legal-basis", "consent")
    run("rights", "set", raw_id(7), *again, "--jurisdiction", "GB", "--ends", "withdrawn",
        *workspace(world))  # fmt: skip
    run(*share)


def test_absence_of_nobody_proves_nothing(world: Path):
    """An id that neither the source nor the release knows gets no proof."""
    build(world, "package")
    ident = releases(registry(world))[0].id
    file = world / "absent.json"
    mistyped = ("--learner-id", "rawleraner0001", "--out", str(file), *workspace(world))
    said = run("release", "pseudonyms", ident, *mistyped, code=7)
    assert "would prove nothing" in said
    assert "rawleraner" not in said
    assert not file.exists()


def test_no_title_holds_an_id(world: Path):
    """It would stand in every package."""
    request = world / "request.toml"
    request.write_text(request.read_text().replace("Results by region", f"As for {raw_id(5)}"))
    said = build(world, "package", code=3)["said"]
    assert "title: holds an id" in str(said)
    assert raw_id(5) not in str(said)


def test_an_old_file_imported_again_lifts_nothing(world: Path):
    """Not even a withdrawal that begins before the file's ending, but was said after it."""
    head = "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version"
    old = f"{raw_id(5)},research,*,withdrawn,,GB,1,2021-01-01,,letter,"
    anew = f"{raw_id(5)},research,*,granted,consent,GB,1,2023-11-23T15:00,,form,withdrawn"
    file = world / "anew.csv"
    file.write_text("\n".join([f"{head},effective_from,effective_to,source,ends", old, anew]))
    held = []
    for number in range(3):
        run("rights", "import", str(file), *workspace(world))
        build(world, f"package{number}")
        names = registry_digests(pl.Series([raw_id(5)]), registry_key(world / "ws"))
        shown = [one for one in releases(registry(world)) if one.served][-1]
        held.append(names[0] in members(registry(world), shown.id)["learner"].to_list())
        if number == 1:
            run("rights", "set", raw_id(5), "--state", "withdrawn", "--purpose", "research",
                "--from", "2023-11-24", *workspace(world))  # fmt: skip
    assert held == [True, True, False]


@pytest.mark.parametrize("reason", ["letter Nr.5_{}", "{}@mail", "ABOUT {}"])
def test_no_reason_holds_the_id(world: Path, reason: str):
    """Not inside a word, not before an @, not in another case."""
    told = reason.format(raw_id(7).upper() if "ABOUT" in reason else raw_id(7))
    run("rights", "erase", raw_id(7), "--reason", told, *workspace(world), code=7)
    run("rights", "set", raw_id(7), "--state", "withdrawn", "--purpose", "research",
        "--jurisdiction", told, *workspace(world), code=7)  # fmt: skip


def test_a_blank_beside_the_researcher_is_no_part_of_him(world: Path):
    """He could never confirm that he destroyed a release."""
    request = world / "request.toml"
    request.write_text(request.read_text().replace('lee@uni.example"', 'lee@uni.example "'))
    build(world, "package")
    assert releases(registry(world))[0].recipients == ("r.lee@uni.example",)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('database = "postgresql://u:p@host:x/no"', "", "no address"),
        ('database = "mysql://u:p@host/no"', "", "leave it out for SQLite"),
        ("", '[people]\n"A@b.example" = ["steward"]\n"a@b.example" = ["steward"]', "twice"),
        ("", '[people]\n"sam" = ["steward"]', "addresses"),
    ],
)
def test_settings_that_say_nothing(world: Path, before: str, after: str, says: str):
    """One line, exit code 6, and no password."""
    settings = world / "ws" / "kohort.toml"
    settings.write_text(f"{before}\n{settings.read_text()}\n{after}\n")
    said = run("release", "list", *workspace(world), code=6)
    assert says in said
    assert "u:p" not in said


LINKS = """[tables.links]
grain = "learner"
optional = true
bridge = ["id", "other"]
[tables.links.columns]
id = { role = "learner-key" }
other = { role = "direct-identifier", person = true }

[dropped]"""


@pytest.mark.parametrize("columns", ['["gender", "region"]', '["region"]'])
def test_a_release_counts_whatever_its_learners_are_called_now(world: Path, columns: str):
    """A bridge table that came later names everybody anew; the gate still knows who was shown."""
    family = world / "small.toml"
    family.write_text(family.read_text().replace("[dropped]", LINKS))
    request = world / "request.toml"
    text = request.read_text().replace("suppression_limit = 0.1", "suppression_limit = 0.2")
    request.write_text(text)
    build(world, "package")
    links = [f"p{i:04d},{raw_id(i)}" for i in range(PEOPLE)]
    (world / "data" / "links.csv").write_text("\n".join(["id,other", *links]))
    run("rights", "erase", raw_id(4), "--reason", "asked by letter", *workspace(world))
    request.write_text(text.replace('["gender", "region"]', columns))
    build(world, "rebuilt")
    names = {}
    for ids in ([raw_id(i) for i in range(PEOPLE)], [f"p{i:04d}" for i in range(PEOPLE)]):
        digests = registry_digests(pl.Series(ids), registry_key(world / "ws"))
        names |= {digest: number for number, digest in enumerate(digests)}
    first, second = (
        {(names[who], item): group for who, item, group in members(registry(world), one.id).rows()}
        for one in releases(registry(world))
    )
    cells: dict[tuple[object, ...], set[int]] = {}
    for who, item in first.keys() | second.keys():
        cells.setdefault((item, first.get((who, item)), second.get((who, item))), set()).add(who)
    assert min(map(len, cells.values())) >= 5
    assert 4 not in {who for who, _ in second}


def test_no_title_holds_an_id_of_another_domain(world: Path):
    """Whatever name he goes by in a bridge table."""
    family = world / "small.toml"
    family.write_text(family.read_text().replace("[dropped]", LINKS))
    links = world / "data" / "links.csv"
    links.write_text(f"id,other\n{raw_id(5)},forum0005\n")
    request = world / "request.toml"
    request.write_text(request.read_text().replace("Results by region", "As for forum0005"))
    assert "title: holds an id" in str(build(world, "package", code=3)["said"])


def test_a_bridge_that_vanished_stops_the_build(world: Path):
    """Without it nobody of the live release is recognized, and nothing could be compared."""
    family = world / "small.toml"
    family.write_text(family.read_text().replace("[dropped]", LINKS))
    links = world / "data" / "links.csv"
    links.write_text("\n".join(["id,other", *(f"p{i:04d},{raw_id(i)}" for i in range(PEOPLE))]))
    build(world, "package")
    links.unlink()
    assert "bring back the bridge table" in str(build(world, "rebuilt", code=5)["said"])


def test_absence_is_proven_once_the_platform_has_erased(world: Path):
    """The tombstone tells that the learner was one, though no source has a row of him any more."""
    request = world / "request.toml"
    text = request.read_text().replace("suppression_limit = 0.1", "suppression_limit = 0.2")
    request.write_text(text)
    build(world, "package")
    run("rights", "erase", raw_id(4), "--reason", "asked by letter", *workspace(world))
    for file in (world / "data").glob("*.csv"):
        lines = file.read_text().splitlines()
        file.write_text("\n".join(line for line in lines if raw_id(4) not in line))
    build(world, "rebuilt")
    proof, ident = world / "absent.json", releases(registry(world))[-1].id
    learner = ("--learner-id", raw_id(4), "--out", str(proof))
    run("release", "pseudonyms", ident, *learner, *workspace(world))
    run("verify", str(world / "rebuilt"), "--absent-key", str(proof))


def test_a_reason_names_nobody(world):
    """Neither a recall nor a destroyed key keeps a learner's id for good; nothing is repeated."""
    built = build(world, "first")
    for verb in ("recall", "destroy-key"):
        words = ("release", verb, built["release"], "--reason", f"letter of {raw_id(3)}.")
        said = run(*words, *workspace(world), code=7)
        assert "holds the id of a learner" in said
        assert raw_id(3) not in said
