"""What several commands share: options, reading a text file."""

import os
import pwd
import sys
from pathlib import Path
from typing import Final

import click

from pipelines.errors import RequestError, RightsError
from pipelines.people import Actor
from pipelines.settings import Workspace

workspace_option = click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The workspace, or a folder below it. [default: the working directory]",
)

SHORT: Final = 12
"""Digits of a hash that name a request."""

file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

as_option = click.option(
    "--as",
    "claimed",
    envvar="KOHORT_AS",
    metavar="ADDRESS",
    help="Who acts: one of [people] in kohort.toml. [env: KOHORT_AS; default: your login]",
)

learner_argument = click.argument("learner_id", metavar="LEARNER_ID")
"""Given to `read_learner_id`."""


def acting(workspace: Workspace, claimed: str | None) -> Actor:
    """Who acts, and from which account.

    Raises:
        RoleError: the workspace names people, and not this one.
    """
    return workspace.actor(claimed, login=login())


def login() -> str:
    """The account of the operating system, whatever its environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in some containers
        return str(os.getuid())


def read_learner_id(argument: str) -> str:
    """The id on the command line, or, for `-`, the one line of standard input.

    A command line is seen by others of the machine and kept by the shell; standard input is not.

    Raises:
        RightsError: there is none.
    """
    text = sys.stdin.read() if argument == "-" else argument
    if not text.strip() or len(text.split("\n")) > 2:
        raise RightsError("LEARNER_ID: expected one id, as the source has it")
    return text.strip()


def read_text(file: Path) -> str:
    """The text of a request file.

    Raises:
        RequestError: it can't be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestError(f"{file}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise RequestError(f"{file}: not UTF-8; save it as UTF-8") from None
