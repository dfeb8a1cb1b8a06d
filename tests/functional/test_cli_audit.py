"""`kohort audit`: what was done, by whom, and whether the record of it holds."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, insert, text

from pipelines.cli.main import main
from pipelines.governance.chain import begin_chain, changing, head
from pipelines.governance.database import create_registry
from pipelines.governance.tables import (
    Action,
    Base,
    ChainHead,
    KeyEvent,
    Request,
    RightsRecord,
)
from pipelines.people import Actor, Duty
from pipelines.settings import create_workspace, find_workspace
from tests.anyrow import any_row

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
RAY, AHN, DIAZ = "ray@uni.example", "ahn@here.example", "diaz@here.example"
PEOPLE = {RAY: [Duty.RESEARCHER], AHN: [Duty.STEWARD], DIAZ: [Duty.ENGINEER]}
STEWARD = Actor(AHN, "ahn", frozenset({Duty.STEWARD}))
ESCAPE = "\x1b[2J\n"
ID = "1f00a3c2"


@pytest.fixture
def workspace(tmp_path):
    """Three entries: two requests, and one that adds no row."""
    create_workspace(tmp_path / "ws", local=False, sources={}, people=PEOPLE)
    registry = create_registry(find_workspace(tmp_path / "ws").database)
    for number, detail in ((1, None), (2, f"as told{ESCAPE}")):
        with changing(registry) as change:
            cells = dict.fromkeys(("title", "researcher", "purpose", "source", "text"), "x")
            change.add(Request, {**cells, "sha256": f"{number:064x}"})
            change.record(STEWARD, "request.submit", f"{number:064x}", at=NOW, detail=detail)
    with changing(registry) as change:
        change.record(STEWARD, "rights.import", "a file", at=NOW, detail="60 granted")
    return tmp_path / "ws"


def run(workspace, *words, by=AHN, code=0):
    """A command's output; its exit code must be this."""
    line = ["audit", *words, "--workspace", str(workspace), "--as", by]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def registry_of(workspace):
    """Opened as it is."""
    from pipelines.governance.database import open_registry  # noqa: PLC0415 - for tampering alone

    return open_registry(find_workspace(workspace).database)


def tamper(workspace, *statements) -> None:
    """Change the database behind kohort's back."""
    with registry_of(workspace).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def keep_package(workspace, audit_head, ident=ID):
    """A package of the workspace's own, of which only its manifest is read."""
    folder = workspace / "releases" / ident / "package"
    folder.mkdir(parents=True)
    own = {"k": 5} if audit_head is None else {"k": 5, "audit_head": audit_head}
    file = folder / "datapackage.json"
    file.write_text(json.dumps({"kohort": own}))
    return file


def test_the_log_tells_who_did_what(workspace):
    """One line an entry, whatever its words hold."""
    lines = run(workspace, "log").splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        f"    1  2026-03-01 12:30:00  {AHN} (ahn)  request.submit  {1:064x}  [1 request]"
    )
    assert r"as told\u001b[2J\u000a" in lines[1]
    assert lines[2].endswith("rights.import  a file  60 granted")


def test_the_log_is_narrowed(workspace):
    """By kind, subject, place and number."""
    said = json.loads(run(workspace, "log", "--json"))["entries"]
    assert [one["entry"] for one in said] == [1, 2, 3]
    assert said[1]["detail"] == f"as told{ESCAPE}"
    assert said[0]["rows"] == {"request": 1}
    assert said[2]["hash"] == head(registry_of(workspace)).hash
    for narrow, left in (
        (["--kind", "rights"], [3]),
        (["--kind", "request.submit"], [1, 2]),
        (["--subject", f"{2:064x}"], [2]),
        (["--since", "1"], [2, 3]),
        (["--limit", "1"], [3]),
    ):
        found = json.loads(run(workspace, "log", "--json", *narrow))["entries"]
        assert [one["entry"] for one in found] == left
    assert run(workspace, "log", "--kind", "release") == "no entry\n"


def test_a_log_that_can_not_be_read_is_one_line(workspace):
    """Which sends to the check."""
    tamper(workspace, "UPDATE action SET at = 'secret' WHERE id = 2")
    said = run(workspace, "log", code=7)
    assert "entry 2" in said
    assert "kohort audit verify" in said
    assert "secret" not in said
    assert len(run(workspace, "log", "--since", "2").splitlines()) == 1


def test_a_chain_that_holds(workspace):
    """In one line, and as an object."""
    last = head(registry_of(workspace)).hash
    said = f"audit chain: 3 entries, head {last}; 2 rows answer to it\n"
    assert run(workspace, "verify") == said
    assert run(workspace, "verify", "--head", last.upper(), by=DIAZ) == said
    found = json.loads(run(workspace, "verify", "--json"))
    assert found["ok"] is True
    assert found["head"] == {"entry": 3, "hash": last}
    assert (found["entries"], found["rows"]["request"], found["broken"]) == (3, 2, None)
    assert (found["lost_heads"], found["unreadable_releases"]) == ([], [])


def test_the_first_broken_link_is_named(workspace):
    """The lowest, and no cell of it."""
    tamper(
        workspace,
        "UPDATE request SET title = 'secret' WHERE sha256 LIKE '%2'",
        "UPDATE action SET actor = 'secret' WHERE id = 3",
    )
    said = run(workspace, "verify", code=1)
    assert said == (
        "audit chain: broken at entry 2: rows of request were changed (1 recorded, 1 found)\n"
    )
    found = json.loads(run(workspace, "verify", "--json", code=1))
    assert found["ok"] is False
    assert found["broken"]["entry"] == 2
    assert "secret" not in json.dumps(found)


def add_right(change) -> None:
    """One that a rotation rewrites."""
    table = RightsRecord.__table__
    change.add(RightsRecord, any_row(table, 1, without=("entry", "salt", "id")))


def test_rows_that_were_rewritten_by_right_are_told(workspace):
    """Their earlier entries show nothing of them any longer: the auditor asks why, each time."""
    with changing(registry_of(workspace)) as change:
        add_right(change)
        change.record(STEWARD, "rights.set", "a learner", at=NOW)
        for actor in (STEWARD, Actor(f"b{ESCAPE}", "b", STEWARD.duties)):
            change.adopt(Base.metadata.tables["rights_record"])
            change.add(KeyEvent, any_row(KeyEvent.__table__, 1, without=("entry", "id")))
            change.record(actor, "key.rotate", "registry", at=NOW)
    said = run(workspace, "verify").splitlines()
    assert said[1:] == [
        f"rights_record: its rows were rewritten, and entry {entry} (2026-03-01 12:30:00, {actor}) "
        "answers for them"
        for entry, actor in ((5, AHN), (6, r"b\u001b[2J\u000a"))
    ]
    told = json.loads(run(workspace, "verify", "--json"))["rewritten"]["rights_record"]
    assert [one["entry"] for one in told] == [5, 6]
    assert told[0] == {"entry": 5, "at": "2026-03-01 12:30:00.000000", "actor": AHN}


def test_rows_that_were_rewritten_without_a_right_are_no_success(workspace):
    """The reviewer's way: tamper, and append an entry that answers for everything."""
    tamper(workspace, "UPDATE request SET title = 'secret'")
    with changing(registry_of(workspace)) as change:
        change.adopt(Base.metadata.tables["request"])
        change.record(STEWARD, "request.approve", "x", at=NOW)
    assert "broken at entry 4: it answers for all rows of request" in run(
        workspace, "verify", code=1
    )
    assert json.loads(run(workspace, "verify", "--json", code=1))["ok"] is False


def test_a_database_that_is_not_what_it_seems_is_told(workspace):
    """Before any row is."""
    tamper(
        workspace,
        "ALTER TABLE request RENAME TO kept",
        "CREATE VIEW request AS SELECT * FROM kept",
    )
    said = run(workspace, "verify", code=1)
    assert said == "audit chain: broken: the database: request is a view\n"
    found = json.loads(run(workspace, "verify", "--json", code=1))
    assert found["ok"] is False
    assert found["broken"] == {"entry": None, "what": "the database: request is a view"}


def test_a_log_with_an_entry_that_has_no_number_is_one_line(workspace):
    """In a table that takes anything."""
    tamper(
        workspace,
        "CREATE TABLE kept AS SELECT * FROM action",
        "DROP TABLE action",
        "ALTER TABLE kept RENAME TO action",
        "UPDATE action SET id = 'secret' WHERE id = 2",
    )
    said = run(workspace, "log", code=7)
    assert "kohort audit verify" in said
    assert "secret" not in said
    assert "the columns of action" in run(workspace, "verify", code=1)


CUT = (
    "DELETE FROM action WHERE id = 3",
    "UPDATE chain_head SET entry = 2, hash = (SELECT hash FROM action WHERE id = 2)",
)


def test_a_chain_that_was_cut_is_found_by_a_head(workspace):
    """That was noted down."""
    last = head(registry_of(workspace)).hash
    tamper(workspace, *CUT)
    run(workspace, "verify")
    said = run(workspace, "verify", "--head", last, code=1)
    assert said.startswith(f"audit chain: cut or rewritten: --head names the head {last}")


def test_a_chain_that_was_cut_is_found_by_a_package(workspace):
    """Of the workspace's own; those that print none, or are not whole yet, tell nothing."""
    last = head(registry_of(workspace)).hash
    keep_package(workspace, last)
    keep_package(workspace, None, "00000000")
    (workspace / "releases" / ".kohort-2f00a3c2" / "package").mkdir(parents=True)
    run(workspace, "verify")
    tamper(workspace, *CUT)
    assert f"release {ID} prints the head {last}" in run(workspace, "verify", code=1)
    found = json.loads(run(workspace, "verify", "--json", code=1))
    assert found["lost_heads"] == [{"hash": last, "releases": [ID]}]
    assert found["broken"]["entry"] is None


def test_a_package_whose_head_was_taken_out_is_named(workspace):
    """One that was built since there is a chain prints it; an older one may not."""
    keep_package(workspace, None)
    run(workspace, "verify")
    with changing(registry_of(workspace)) as change:
        change.record(STEWARD, "release.reserve", "00000000", at=NOW)
    run(workspace, "verify")
    with changing(registry_of(workspace)) as change:
        change.record(STEWARD, "release.reserve", ID, at=NOW)
    said = run(workspace, "verify", code=1)
    assert said == f"audit chain: the package of release {ID} in the workspace can't be read\n"
    assert json.loads(run(workspace, "verify", "--json", code=1))["unreadable_releases"] == [ID]


def test_a_package_from_before_the_chain_prints_no_head(tmp_path):
    """It was reserved before the chain began."""
    create_workspace(tmp_path / "ws", local=False, sources={}, people=PEOPLE)
    registry = create_registry(find_workspace(tmp_path / "ws").database)
    with registry.begin() as connection:
        action = {"at": NOW, "actor": AHN, "login": "ahn", "kind": "release.reserve"}
        connection.execute(insert(Action).values(action | {"id": 1, "subject": ID}))
        connection.execute(delete(ChainHead))
        begin_chain(connection, NOW)
    keep_package(tmp_path / "ws", None)
    run(tmp_path / "ws", "verify")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"[]", b"{}", b'{"kohort": 5}', b'{"kohort": {"audit_head": "x"}}'),
        *(b'{"kohort": {"audit_head": ""}}', b'{"kohort": {"audit_head": null}}'),
    ],
)
def test_a_package_that_can_not_be_read_is_named(workspace, content):
    """It may have told of a cut."""
    keep_package(workspace, None).write_bytes(content)
    said = run(workspace, "verify", code=1)
    assert said == f"audit chain: the package of release {ID} in the workspace can't be read\n"
    assert json.loads(run(workspace, "verify", "--json", code=1))["unreadable_releases"] == [ID]
    shutil.rmtree(workspace / "releases")
    run(workspace, "verify")


@pytest.mark.parametrize("text", ["", "abc", "0" * 63, "0" * 65, "g" * 64])
def test_a_head_is_64_hex_digits(workspace, text):
    """A mistyped one is no alarm."""
    assert "64 hex digits" in run(workspace, "verify", "--head", text, code=2)


@pytest.mark.parametrize("command", ["log", "verify"])
def test_it_is_for_stewards_and_engineers(workspace, command):
    """The record names people and what they asked for."""
    run(workspace, command, by=DIAZ)
    run(workspace, command, by=RAY, code=10)


def test_help_is_light():
    """`--help` loads no database."""
    code = (
        "import sys; from pipelines.cli.audit import audit;"
        "sys.exit('sqlalchemy' in sys.modules or 'polars' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
