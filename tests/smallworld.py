"""A declared small world as files, and the command line on it."""

from pathlib import Path

from click.testing import CliRunner

from pipelines.cli.main import main
from tests.unit.test_declaration import FAMILY

PEOPLE = 60
AREA = "a1;A;*\na2;A;*\nb1;B;*\nb2;B;*\n"
REQUEST = """
title = "Results by region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "small"
[release]
type = "microdata"
pseudonyms = "course"
learners = ["gender", "region"]
enrolments = ["code_module", "final_result", "clicks"]
csv = true
[release.privacy]
k = 5
suppression_limit = 0.1
"""


def raw_id(number: int) -> str:
    """An id that occurs nowhere by chance."""
    return f"rawlearner{number:04d}"


def run(*arguments: str, code: int = 0) -> str:
    """A command's whole output; its exit code must be `code` and nothing may be a traceback."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result.output


def make_world(tmp_path: Path) -> Path:
    """A workspace with one source: sixty people, three courses, and some faulty rows."""
    data = tmp_path / "data"
    data.mkdir()
    people, results, events = ["id,sex,area,disability,motivation,name"], ["id,course,result"], []
    for i in range(PEOPLE):
        area, motivation = ["a1", "a2", "b1", "b2"][i % 4], ["high", "low"][i % 2]
        people.append(f"{raw_id(i)},{'FM'[i // 4 % 2]},{area},N,{motivation},Ada{i}")
        for course in ["x", "y"] if i % 3 == 0 else ["x"]:
            results.append(f"{raw_id(i)},{course},{'Pass' if i % 5 < 3 else 'Fail'}")
            events += [f"{raw_id(i)},{course},click,{i % 12}", f"{raw_id(i)},{course},idle,999"]
    people.append(f"{raw_id(900)},F,nowhere,N,high,Eve")  # outside the hierarchy
    results += [f"{raw_id(900)},x,Pass", f"{raw_id(901)},x,Pass"]  # and an orphan
    results += [results[1], results[2].replace("Pass", "Other")]  # a repeat, a contradiction
    (data / "people.csv").write_text("\n".join(people))
    (data / "results.csv").write_text("\n".join(results))
    (data / "events.csv").write_text("\n".join(["id,course,kind,n", *events]))
    (tmp_path / "small.toml").write_text(FAMILY)
    (tmp_path / "area.csv").write_text(AREA)
    (tmp_path / "request.toml").write_text(REQUEST)
    run("init", str(tmp_path / "ws"), "--local",
        "--source", f"small={tmp_path / 'small.toml'}:{data}")  # fmt: skip
    return tmp_path


def consent(world: Path, *, states: dict[int, str] | None = None) -> None:
    """Record consent of everybody, and stricter states of some."""
    head = "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version"
    lines = [f"{head},effective_from,effective_to,source"]
    granted = "research,*,granted,consent,GB,1,2020-01-01,,form"
    lines += [f"{raw_id(i)},{granted}" for i in [*range(PEOPLE), 900, 901]]
    stricter = (states or {}).items()
    lines += [f"{raw_id(i)},research,*,{state},,GB,1,2021-01-01,,letter" for i, state in stricter]
    (world / "rights.csv").write_text("\n".join(lines))
    run("rights", "import", str(world / "rights.csv"), "--workspace", str(world / "ws"))


def build(world: Path, *, code: int = 0) -> str:
    """Build the request of the world into `package`."""
    return run(
        "build", str(world / "request.toml"), "--workspace", str(world / "ws"),
        "--out", str(world / "package"), code=code,
    )  # fmt: skip
