"""Synthetic learners for the tests of whoever uses kohort: what the fixtures of `kohort_pytest` do.

Whatever is heavy is imported where it is used.
"""

import contextlib
import itertools
import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:  # heavy: imported where a fixture is used
    import polars as pl
    from click.testing import Result

    from pipelines.build import Built
    from pipelines.people import Actor

_SOURCE: Final = "synthetic"


class SyntheticLearners(Protocol):
    """What the fixture `synthetic_learners` is: it makes the tables of a world."""

    def __call__(
        self, number: int = 200, courses: int = 3, seed: int = 0, preset: str | Path = "small"
    ) -> "dict[str, pl.DataFrame]":
        """Make raw tables, as a platform would export them.

        Args:
            number: how many learners.
            courses: how many courses.
            seed: where chance comes from; the same arguments give the same tables.
            preset: the name of a shipped preset, or the path of a TOML file.

        Returns:
            Table name -> table.
        """


@dataclass(frozen=True, slots=True)
class SyntheticWorkspace:
    """A local workspace on synthetic learners, ready for `kohort build`.

    What each of them permitted is in its registry.

    Attributes:
        root: the workspace.
        source: how its requests name the learners' tables.
        location: the folder of these tables, as Parquet.
    """

    root: Path
    source: str
    location: Path

    def run(self, *words: str) -> "Result":
        """Run `kohort` with these words, within this process and in the workspace's folder.

        Returns:
            click's result: `exit_code`, `output`, `stdout`, `stderr`.
        """
        from click.testing import CliRunner  # noqa: PLC0415

        from pipelines.cli.main import main  # noqa: PLC0415

        # The command line catches these for as long as its process lives: ours outlives it.
        before = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with contextlib.chdir(self.root):
                return CliRunner().invoke(main, words, env={"KOHORT_AS": None})
        finally:
            for kind, handler in before.items():
                if signal.getsignal(kind) is not handler:
                    signal.signal(kind, handler)

    def build(self, request_text: str) -> "Built":
        """Build the extract that a request (TOML) asks for, into a new folder of the workspace.

        Raises:
            KohortError: as `kohort build` does.
        """
        from pipelines.build import build  # noqa: PLC0415
        from pipelines.settings import find_workspace  # noqa: PLC0415

        names = (self.root / f"extract-{number}" for number in itertools.count(1))
        return build(
            request_text,
            find_workspace(self.root),
            next(folder for folder in names if not folder.exists()),
            actor=_everybody(),
            now=datetime.now(UTC),
            randomness=os.urandom,
            progress=lambda _: None,
        )


class NewWorkspace(Protocol):
    """What the fixture `synthetic_workspace` is: it makes a workspace."""

    def __call__(
        self, number: int = 200, courses: int = 3, seed: int = 0, preset: str | Path = "small"
    ) -> SyntheticWorkspace:
        """Make a workspace on a world of its own; the arguments are those of that world."""


def workspaces_in(folder: Path) -> NewWorkspace:
    """A function that makes workspaces on synthetic learners, each in a new folder of this one."""
    numbers = itertools.count(1)

    def new(
        number: int = 200, courses: int = 3, seed: int = 0, preset: str | Path = "small"
    ) -> SyntheticWorkspace:
        own = folder / f"synthetic-{next(numbers)}"
        return _workspace(own, number, courses=courses, seed=seed, preset=preset)

    return new


def raw_tables(
    number: int = 200, courses: int = 3, seed: int = 0, preset: str | Path = "small"
) -> "dict[str, pl.DataFrame]":
    """Make raw tables; see `SyntheticLearners`."""
    from pipelines.synthetic import read_preset  # noqa: PLC0415
    from synth.parts import gathered  # noqa: PLC0415
    from synth.presets import world_parts  # noqa: PLC0415

    return gathered(world_parts(read_preset(preset), learners=number, courses=courses, seed=seed))


def _workspace(
    folder: Path, number: int, *, courses: int, seed: int, preset: str | Path
) -> SyntheticWorkspace:
    from pipelines.governance.database import create_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import (  # noqa: PLC0415
        record_registry_key,
        registry_key_of,
    )
    from pipelines.governance.rights import import_rights  # noqa: PLC0415
    from pipelines.settings import (  # noqa: PLC0415
        SourceSettings,
        create_workspace,
        find_workspace,
    )
    from pipelines.synthetic import Order, make_raw, read_preset  # noqa: PLC0415
    from pipelines.worlds.destinations import Files  # noqa: PLC0415

    root, location, rights = (folder / name for name in ("workspace", "platform", "rights.csv"))
    order = Order(read_preset(preset), number, courses, seed)
    make_raw(order, Files(location, "parquet"), rights_file=rights, progress=lambda _: None)
    source = SourceSettings(family=order.preset.shape, location=str(location))
    create_workspace(root, local=True, sources={_SOURCE: source})
    actor, now = _everybody(), datetime.now(UTC)
    registry = create_registry(find_workspace(root).database)
    record_registry_key(registry, root, actor=actor, at=now)
    key = registry_key_of(registry, root)
    import_rights(registry, rights, registry_key=key, received_at=now, actor=actor)
    return SyntheticWorkspace(root, _SOURCE, location)


def _everybody() -> "Actor":
    """One person with every duty, as in a workspace that names nobody."""
    from pipelines.people import EVERY_DUTY, Actor  # noqa: PLC0415

    return Actor("tests", "tests", EVERY_DUTY)
