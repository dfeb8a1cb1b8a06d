"""docs/cli.md is what the commands say of themselves; remake it with KOHORT_UPDATE_DOCS=1."""

import os
from pathlib import Path

import click

from pipelines import errors
from pipelines.cli.main import main

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def commands(command: click.Command, ctx: click.Context, path: str):
    """Every command below one, with its path."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from commands(
                found, click.Context(found, parent=ctx, info_name=name), name_of(path, name)
            )


def name_of(path: str, name: str) -> str:
    return f"{path} {name}"


def help_of(path: str, command: click.Command) -> str:
    """The help text of a command, as in a terminal of 100 columns."""
    context = click.Context(
        command, info_name=path, max_content_width=100, terminal_width=100,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    # click keeps the help option of the first context that asked, which may be another test's.
    command._help_option = None
    return command.get_help(context)


def reference() -> str:
    """The whole of docs/cli.md."""
    table = "\n".join(line for line in errors.__doc__.splitlines() if line.startswith("|"))
    parts = [f"# Command line\n\n## Exit codes\n\n{table}\n"]
    parts += [
        f"\n## {path}\n\n```\n{help_of(path, command)}\n```\n"
        for path, command in commands(main, click.Context(main), "kohort")
    ]
    return "".join(parts)


def test_the_reference_is_what_the_commands_say():
    """Every command stands in docs/cli.md with its present help."""
    if os.environ.get("KOHORT_UPDATE_DOCS"):
        REFERENCE.write_text(reference())
    assert REFERENCE.read_text() == reference()


def test_every_command_has_help_and_an_example():
    """A command that does something says what, and shows how."""
    for path, command in commands(main, click.Context(main), "kohort"):
        assert command.help, path
        if not isinstance(command, click.Group):
            assert "Example" in help_of(path, command), path


def test_every_exit_code_is_documented():
    """Each kind of errors has a code of its own, and a line in the table."""
    classes = [
        c for c in vars(errors).values() if isinstance(c, type) and c.__module__ == errors.__name__
    ]
    codes = [c.exit_code for c in classes if c.__base__ is errors.KohortError]
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert f"| {code} |" in (errors.__doc__ or "")
