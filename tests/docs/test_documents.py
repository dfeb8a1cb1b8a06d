"""README and docs hold what the code does."""

import re
import tomllib
from pathlib import Path

import pytest

import anonymizer
import pipelines
import schemas
import synth
from pipelines.plan import make_plan
from pipelines.sources import load_family
from schemas.declaration import parse_family, parse_toml
from schemas.policy import Policy, authorize
from schemas.request import parse_request

ROOT = Path(__file__).resolve().parents[2]
POLICY = """
require_approval = false
purposes = ["research"]
recipients = ["*"]
legal_bases = ["consent"]
"""


def blocks(file: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    text = (ROOT / file).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_readme_s_request_is_the_example_s():
    """The request that the README shows is the one that examples/oulad.sh builds."""
    script = (ROOT / "examples" / "oulad.sh").read_text()
    assert blocks("README.md", "toml")[0] in script


@pytest.mark.parametrize(("script", "family"), [("oulad", "oulad"), ("coursera", "coursera")])
def test_the_examples_requests_are_authorized(script: str, family: str):
    """Each example's request fits its family and the default policy, down to the hierarchies."""
    text = (ROOT / "examples" / f"{script}.sh").read_text()
    loaded = load_family(family)
    for part in text.split("<<'TOML'\n")[1:]:
        request = parse_request(part.split("\nTOML\n")[0], subject=script)
        terms = authorize(request, parse_toml(Policy, POLICY, subject="policy"), loaded.family)
        assert make_plan(request, terms, loaded.family, loaded.hierarchies).quasi_identifiers


def test_the_declaration_in_the_docs_is_valid():
    """The declaration of docs/sources.md can be copied."""
    assert parse_family(blocks("docs/sources.md", "toml")[0], subject="docs").views


def test_the_make_targets_that_the_readme_names_exist():
    """`make demo` and `make test` and the others are targets with a line of help."""
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "help", "lint", "types", "imports", "check", "bench",
                   "bench-core", "bench-governance", "bench-aggregate",
                   "extract", "synth", "verify", "clean"):  # fmt: skip
        assert re.search(rf"^{target}: .*## ", makefile, re.MULTILINE), target


def test_links_lead_somewhere():
    """Every relative link of the README and the docs names a file."""
    for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / link).exists(), (file.name, link)


def test_the_packages_are_ours():
    """The four names exist on PyPI as other projects; these are the files of this repository."""
    for package in (anonymizer, pipelines, schemas, synth):
        assert Path(package.__file__ or "").resolve().parents[1] == ROOT


def test_the_lock_has_hashes_and_no_address():
    """Every pinned requirement has a hash, and no line names an index or a path."""
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[a-z0-9._-]+(?:\[[a-z,-]+\])?==", lock, re.MULTILINE)
    assert len(pins) > 30
    assert lock.count("--hash=sha256:") >= len(pins)
    assert not re.search(r"https?://|--index|--find-links|file:|^-", lock, re.MULTILINE)
    direct = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in direct:
        name = re.split(r"[\[<>=]", requirement)[0]
        assert re.search(rf"^{name}(\[[a-z,-]+\])?==", lock, re.MULTILINE), name
