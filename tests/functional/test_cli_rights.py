import json

import polars as pl
import pytest
from click.testing import CliRunner
from sqlalchemy import URL, create_engine, text

from pipelines.cli.rights import rights
from pipelines.errors import RightsError, RoleError, SettingsError
from pipelines.governance.database import create_registry, open_registry
from pipelines.governance.rights_file import COLUMNS
from pipelines.settings import SourceSettings, create_workspace
from tests.smallworld import build, consent, make_world, raw_id
from tests.smallworld import run as kohort

LINES = [
    ",".join(COLUMNS),
    "ann,research,*,granted,consent,EU,v1,2024-01-01,,portal",
    "ann,research,*,withdrawn,consent,EU,v1,2024-02-01,,portal",
]
BASIS = ["--all-in", "oulad", "--state", "granted", "--legal-basis", "published-dataset"]


def stored(registry, *columns):
    """These columns of all records, in the order of recording."""
    with registry.connect() as connection:
        query = f"SELECT {', '.join(columns)} FROM rights_record ORDER BY id"
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def run(tmp_path):
    """Run `kohort rights import` in a workspace with one source and a rights file."""
    root = tmp_path / "workspace"
    source = SourceSettings(family="oulad", location="data")
    create_workspace(root, local=True, sources={"oulad": source})
    url = URL.create("sqlite", database=str(root / "kohort.sqlite"))
    create_registry(url)
    (tmp_path / "rights.csv").write_text("\n".join(LINES), encoding="utf-8")

    def run(*arguments):
        words = ["import", *arguments, "--workspace", str(root)]
        result = CliRunner().invoke(rights, [w.replace("TMP", str(tmp_path)) for w in words])
        return result, open_registry(url)

    return run


def test_import_file(run):
    """A file is recorded and the summary says how many of each state."""
    result, registry = run("TMP/rights.csv")
    assert result.exit_code == 0
    assert "recorded 1 granted, 1 withdrawn" in result.output
    assert stored(registry, "state") == [("granted",), ("withdrawn",)]


def test_import_file_json(run):
    """--json prints one object."""
    result, _ = run("TMP/rights.csv", "--json")
    assert json.loads(result.output) == {"imported": {"granted": 1, "withdrawn": 1}}


def test_dataset_basis_is_visible(run):
    """A basis for a whole source says out loud what was recorded."""
    result, registry = run(*BASIS, "--note", "CC BY 4.0")
    assert result.exit_code == 0
    for words in ("ALL learners of source 'oulad'", "published-dataset", "CC BY 4.0"):
        assert words in result.output
    assert stored(registry, "learner", "source") == [(None, "oulad")]


def test_dataset_basis_json(run):
    """--json prints the recorded basis."""
    result, _ = run(*BASIS, "--note", "CC BY 4.0", "--json")
    assert json.loads(result.output)["dataset_basis"]["source"] == "oulad"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        BASIS,
        ["TMP/rights.csv", "--note", "x"],
        ["TMP/rights.csv", *BASIS],
        ["--from-database", "sqlite:///TMP/crm.db"],
        ["TMP/rights.csv", "--table", "consent"],
    ],
)
def test_wrong_usage(run, arguments):
    """A file and a basis at once, or half a basis, is wrong usage."""
    result, registry = run(*arguments)
    assert result.exit_code == 2
    assert "give either FILE, or all of" in result.output
    assert stored(registry, "id") == []


@pytest.mark.parametrize(
    "arguments, error",
    [
        (["TMP/absent.csv"], RightsError),
        (["--all-in", "elsewhere", *BASIS[2:], "--note", "x"], SettingsError),
    ],
)
def test_refusals(run, arguments, error):
    """An absent file and an unknown source are refused."""
    result, registry = run(*arguments)
    assert isinstance(result.exception, error)
    assert stored(registry, "id") == []


def test_only_a_grant_is_recorded_for_a_whole_source(run):
    """Any other state for a source is wrong usage."""
    result, registry = run(*BASIS[:3], "denied", *BASIS[4:], "--note", "x")
    assert result.exit_code == 2
    assert stored(registry, "id") == []


def test_help_has_an_example():
    """--help shows a command to copy."""
    result = CliRunner().invoke(rights, ["import", "--help"])
    assert "kohort rights import consent.csv" in result.output


def test_import_from_a_database_and_parquet(run, tmp_path):
    """The columns of a rights file are taken from a table and from a Parquet file too."""
    frame = pl.read_csv(tmp_path / "rights.csv", infer_schema=False)
    frame.write_parquet(tmp_path / "rights.parquet")
    engine = create_engine(f"sqlite:///{tmp_path / 'crm.db'}")
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE consent ({', '.join(COLUMNS)})"))
        marks = ", ".join(f":{name}" for name in COLUMNS)
        connection.execute(text(f"INSERT INTO consent VALUES ({marks})"), frame.to_dicts())
    engine.dispose()
    for arguments in (
        ["TMP/rights.parquet"],
        ["--from-database", "sqlite:///TMP/crm.db", "--table", "consent"],
    ):
        result, registry = run(*arguments, "--json")
        assert json.loads(result.output) == {"imported": {"granted": 1, "withdrawn": 1}}
    rows = stored(registry, "learner", "state", "effective_from", "origin")
    assert rows[:2] == rows[2:]


@pytest.fixture
def world(tmp_path):
    """The small world, where everybody consented."""
    world = make_world(tmp_path)
    consent(world)
    return world


def of(world, command, *arguments, learner=3, code=0):
    """Run a command about a learner of the small world; his id is never printed."""
    words = ("rights", command, raw_id(learner), *arguments, "--workspace", str(world / "ws"))
    output = kohort(*words, code=code)
    assert "rawlearner" not in output
    return output


def states(world, learner=3):
    """The state of a learner for research, overall."""
    held = json.loads(of(world, "show", "--json", learner=learner))
    return [s["state"] for s in held["standing"] if s["course"] is None]


def test_withdrawing_is_one_command_and_so_is_consenting_anew(world):
    """A stale grant lifts nothing; the one that ends the withdrawal does."""
    assert states(world) == ["granted"]
    assert "recorded under 1 id of one learner: withdrawn" in of(
        world, "set", "--state", "withdrawn", "--purpose", "research"
    )
    assert states(world) == ["withdrawn"]
    grant = ("--state", "granted", "--purpose", "research", "--legal-basis", "consent",
             "--jurisdiction", "GB")  # fmt: skip
    assert "still withdrawn" in of(world, "set", *grant)
    assert states(world) == ["withdrawn"]
    assert "Warning" not in of(world, "set", *grant, "--ends", "withdrawn")
    assert states(world) == ["granted"]
    assert states(world, learner=4) == ["granted"]


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (("restrict", "--note", "accuracy contested"), "restricted"),
        (("object",), "objected"),
        (("object", "--purpose", "research"), "objected"),
        (("set", "--state", "opted_out_sale_share", "--jurisdiction", "US-CA"),
         "opted_out_sale_share"),
    ],
)  # fmt: skip
def test_what_learners_ask(world, words, state):
    """Restriction, objection and the opt-out of sale or sharing are one command each."""
    of(world, *words)
    assert states(world) == [state]


def test_show_tells_all_that_is_held(world):
    """Every record, the state it makes, where the learner stands, and who has which release."""
    build(world)
    said = of(world, "object", "--purpose", "teaching", "--note", "by letter")
    assert "the policy has no such purpose" in said
    told = of(world, "show")
    for words in (
        "granted: purpose research; scope *; legal basis consent; jurisdiction GB",
        "objected: purpose teaching",
        "note by letter",
        "small, research: objected",
        "small: people.id: 1",
        "Results by region, for research; held by r.lee@uni.example",
    ):
        assert words in told
    held = json.loads(of(world, "show", "--json"))
    assert [record["state"] for record in held["records"]] == ["granted", "objected"]
    assert held["releases"][0]["recipients"] == ["r.lee@uni.example"]
    assert held["ids"] == 1


def test_show_of_somebody_unknown(world):
    """Nobody is not found silently."""
    told = of(world, "show", learner=777)
    assert "none, which means no" in told
    assert "no row in any source; check the id" in told


def test_an_unknown_id_is_warned_of(world):
    """A statement about an id that no source knows is recorded, and said to be in doubt."""
    assert "no source knows this id" in of(world, "set", "--state", "withdrawn", learner=777)


def test_a_restriction_waits_for_no_source(world):
    """Where a source can't be read, a withdrawal is recorded under the given id; a grant is not."""
    (world / "data").rename(world / "moved")
    said = of(world, "set", "--state", "withdrawn")
    assert "run this again when it can be read" in said
    of(world, "set", "--state", "granted", "--purpose", "research", "--legal-basis", "consent",
       code=4)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--state", "granted"), 2, "say with --purpose"),
        (("--state", "erased"), 2, "kohort rights erase"),
        (("--state", "no"), 7, "unknown state"),
        (("--state", "withdrawn", "--from", "soon"), 7, "unparsable date"),
        (("--state", "withdrawn", "--note", f"asked by {raw_id(3)}"), 7, "holds an id"),
    ],
)
def test_statements_that_are_refused(world, words, code, says):
    """What can't be meant, and a note that names the learner, is refused in one line."""
    assert says in of(world, "set", *words, code=code)
    assert states(world) == ["granted"]


def test_roles(world):
    """A researcher may do nothing here; an engineer imports and does nothing else."""
    settings = world / "ws" / "kohort.toml"
    people = '"r@x.example" = ["researcher"]\n"e@x.example" = ["engineer"]\n'
    settings.write_text(f"{settings.read_text()}\n[people]\n{people}")
    for who in ("r@x.example", "e@x.example"):
        for words in (("show",), ("set", "--state", "withdrawn"), ("restrict",), ("object",)):
            assert "is no steward" in of(world, *words, "--as", who, code=RoleError.exit_code)
    imported = ("rights", "import", str(world / "rights.csv"), "--workspace", str(world / "ws"))
    kohort(*imported, "--as", "r@x.example", code=RoleError.exit_code)
    kohort(*imported, "--as", "e@x.example")


def test_an_unchanged_file_undoes_no_newer_withdrawal(world):
    """Who withdrew since stays out of a build, however often the file that freed him comes."""
    head = f"{','.join(COLUMNS)},ends"
    said = "research,*,{},consent,GB,1,{},,crm,{}"
    freed = [("withdrawn", "2022-01-01", ""), ("granted", "2023-01-01", "withdrawn")]
    lines = [f"{raw_id(3)},{said.format(*cells)}" for cells in freed]
    (world / "crm.csv").write_text("\n".join([head, *lines]))
    crm = ("rights", "import", str(world / "crm.csv"), "--workspace", str(world / "ws"))
    kohort(*crm)
    assert states(world) == ["granted"]
    of(world, "set", "--state", "withdrawn", "--purpose", "research")
    kohort(*crm)
    assert states(world) == ["withdrawn"]
    kohort(*crm)
    assert states(world) == ["withdrawn"]
    build(world)
    held = json.loads(of(world, "show", "--json"))
    assert held["releases"] == []
    assert json.loads(of(world, "show", "--json", learner=4))["releases"]
