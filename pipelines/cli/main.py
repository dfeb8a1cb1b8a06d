"""`kohort`: the top-level command. Subcommands are imported when they are called."""

import importlib
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from pipelines.errors import FAULT, STAYS_SPENT, KohortError
from pipelines.kernels import drop_stale_kernels

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "init": ("pipelines.cli.init:init", "Write a new workspace."),
    "synth": ("pipelines.cli.synth:synth", "Make synthetic learners."),
    "source": ("pipelines.cli.source:source", "Look at a source without releasing anything."),
    "catalog": ("pipelines.cli.catalog:catalog", "Say what is public of a source."),
    "rights": ("pipelines.cli.rights:rights", "Record what learners permit, and erase."),
    "request": ("pipelines.cli.request:request", "Write, submit, approve or reject requests."),
    "build": ("pipelines.cli.build:build", "Build a verified extract from a request."),
    "release": ("pipelines.cli.release:release", "See, share, recall and expire releases."),
    "verify": ("pipelines.cli.verify:verify", "Check a package, or count learners in a file."),
    "anonymize": ("pipelines.cli.anonymize:anonymize", "Anonymize one table, like ARX."),
    "budget": ("pipelines.cli.budget:budget", "See what differential privacy may still cost."),
    "audit": ("pipelines.cli.audit:audit", "Read and check the record of every change."),
    "key": ("pipelines.cli.key:key", "See, seal, rotate and destroy keys."),
    "database": ("pipelines.cli.database:database", "See, back up or upgrade the registry."),
    "recover": ("pipelines.cli.recover:recover", "Settle what killed builds left."),
    "demo": ("pipelines.cli.demo:demo", "Walk the whole way on synthetic learners."),
}


_OURS: Final = frozenset({"anonymizer", "schemas", "synth", "pipelines"})


class _LazyGroup(click.Group):
    """A group whose commands are imported on use, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.ClickException as error:
            _say(_told(error))
            raise click.exceptions.Exit(error.exit_code) from None

    def invoke(self, ctx: click.Context) -> Any:
        # A polite kill unwinds like an interrupt, so that no raw rows stay behind.
        if threading.current_thread() is threading.main_thread():
            for kind in (signal.SIGTERM, signal.SIGHUP):
                # Who ignores it (nohup) goes on ignoring it.
                if signal.getsignal(kind) is not signal.SIG_IGN:
                    signal.signal(kind, lambda number, _: sys.exit(128 + number))
        drop_stale_kernels()
        try:
            return super().invoke(ctx)
        except KohortError as error:
            _say(str(error))
            ctx.exit(error.exit_code)
        except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit, click.Abort):
            raise
        except click.ClickException as error:
            _say(_told(error))
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, SystemExit, BrokenPipeError):
            raise
        # A traceback may hold learners' values; polars' panics are no `Exception`.
        except BaseException as error:  # noqa: BLE001
            _say(_fault(error))
            ctx.exit(FAULT)


def _say(message: str) -> None:
    click.echo("Error: " + " ".join(message.split()), err=True)


def _told(error: click.ClickException) -> str:
    """What click says, but never a word that it has no place for: that may be a learner's id."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return error.format_message()
    command = context.command_path
    # Before 8.4 click has no class of its own for a command that there is not.
    starts = {
        "No such command": "no such command",
        "No such option": "no such option",
        "Got unexpected extra argument": "too many arguments",
    }
    for start, fault in starts.items():
        if error.message.startswith(start):
            close = ", ".join(getattr(error, "possibilities", None) or ())
            hint = f"did you mean {close}? See" if close else "see"
            return f"{command}: {fault}; {hint} `{command} --help`"
    return error.format_message()


def _fault(error: BaseException) -> str:
    """Where an unforeseen error arose; its own text may hold a learner's value and stays unsaid."""
    home = Path(__file__).parents[2]
    frames = traceback.extract_tb(error.__traceback__)
    places = [(Path(frame.filename), frame.lineno) for frame in frames]
    own = [
        f"{file.relative_to(home).as_posix()}:{line}"
        for file, line in places
        if file.is_relative_to(home) and file.relative_to(home).parts[0] in _OURS
    ]
    at = own[-1] if own else "an unknown place"
    spent = f"; {STAYS_SPENT}" if STAYS_SPENT in getattr(error, "__notes__", ()) else ""
    return (
        f"a fault of kohort ({type(error).__name__} at {at}); "
        f"please report this line and what you ran{spent}"
    )


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kohort")
def main() -> None:
    """Build anonymized learning-analytics datasets that keep what learners were promised.

    Start with `kohort demo`; for data of your own, with `kohort init`.

    Exit codes: 0 done; 1 a promise is broken; 2 wrong usage or not a package; 3 request refused;
    4 source unreadable; 5 privacy out of reach; 6 workspace or key missing; 7 registry refuses;
    8 output can't be written; 9 a fault of kohort; 10 not yours to do.
    """
