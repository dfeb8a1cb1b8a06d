"""docs/governance.md names commands and tests that exist, and policies that parse."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from pipelines.cli.main import main
from pipelines.people import Duty
from schemas.declaration import parse_toml
from schemas.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "governance.md").read_text()
_ROW = re.compile(
    r"^\| ((?:GDPR|Recital|CCPA|FERPA)[^|]*) \|[^|]+\| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE
)
DUTIES = _ROW.findall(TEXT)
ARTICLES = [
    *("4(5)", "7(3)", "8", "9", "15", "16", "17", "18", "19", "21", "89", "Recital 26"),
    *("99.3", "99.31(b)", "1798.105", "1798.106", "1798.120"),
]


def command(words: str) -> click.Command:
    """The command that `kohort a b` names."""
    found: click.Command = main
    for word in words.split()[1:]:
        assert isinstance(found, click.Group), words
        below = found.get_command(click.Context(found), word)
        assert below is not None, words
        found = below
    return found


@pytest.mark.parametrize(("duty", "words", "test"), DUTIES)
def test_each_duty_has_a_command_and_a_test(duty: str, words: str, test: str):
    """The command is one, not a group, and the test is defined where the row says."""
    assert not isinstance(command(words), click.Group), duty
    file, name = test.split("::")
    assert f"def {name}(" in (ROOT / file).read_text(), duty


def test_every_duty_of_the_field_is_there():
    """The articles that a registry must model, by the facts that the design names."""
    named = " ".join(duty for duty, _, _ in DUTIES)
    for article in ARTICLES:
        assert re.search(rf"(?<![\d.]){re.escape(article)}(?!\d)", named), article


def test_the_commands_in_the_text_exist():
    """Whatever stands as `kohort ...`, or as a group with its command, can be typed."""
    for words in re.findall(r"`kohort ([a-z]+(?: [a-z-]+)?)", TEXT):
        command(f"kohort {words}" if words.split()[0] in {"rights", "request", "release"}
                else f"kohort {words.split()[0]}")  # fmt: skip


def test_the_policy_and_the_people_parse():
    """What is shown can be copied into policy.toml and kohort.toml."""
    people, policy = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    head = 'purposes = ["research"]\nlegal_bases = ["consent"]\n'
    assert parse_toml(Policy, head + policy, subject="policy").retention.days == 365
    for duties in tomllib.loads(people)["people"].values():
        assert {Duty(duty) for duty in duties}


def test_releases_are_pseudonymous_while_the_registry_exists():
    """What a controller must not forget is said in so many words."""
    said = " ".join(TEXT.split())
    assert "To the controller a release is therefore pseudonymous personal data" in said
