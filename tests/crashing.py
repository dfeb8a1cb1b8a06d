"""Builds that are killed, held up, starved or raced: real processes, and what must be true after.

Processes are forked from one that has imported everything, as importing takes longer than a build.
"""

import contextlib
import fcntl
import json
import multiprocessing
import os
import resource
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import diffprivlib.mechanisms.geometric  # noqa: F401 - imported when noise is drawn
import dp_accounting.pld.privacy_loss_distribution  # noqa: F401 - so is this, for a report
import hypothesis  # noqa: F401 - pandera imports it in the middle of a build
import numba.typed  # noqa: F401 - so does numba
import opendp.prelude  # noqa: F401 - imported when noise is drawn
import polars as pl
import psycopg  # noqa: F401 - and SQLAlchemy
import pytest
from numba.core.registry import cpu_target
from sqlalchemy import URL, Engine, event, select, text
from sqlalchemy.engine.default import DefaultDialect

import pipelines.build
import pipelines.cli.build as cli_build
import pipelines.cli.main
from pipelines.governance.audit import verify_chain
from pipelines.governance.database import open_registry
from pipelines.governance.releases import ReleaseStatus, releases
from pipelines.governance.tables import ChargeEvent, KeyEvent
from pipelines.settings import find_workspace
from pipelines.verify import verify_package
from tests.smallworld import consent, make_world, raw_id, run

DATABASES = ("sqlite", "postgresql")
DIVIDED = ("wait", "record", "keep the key", "publish", "hand over to the steward")
"""Steps of a build that a commit, or taking the lock, lies between: all that a database sees of it.

What lies between two of them differs only in files, which are the same on either database.
"""
assert set(DIVIDED) <= set(pipelines.build.STEPS)

LONGEST = 60
"""Seconds that a process may take; none does, unless it waits for ever."""

WITHDRAWN = 3
"""Who withdraws after the first release, so that the same request makes another."""

BUDGET = """
[budget]
epsilon_per_family = 2.0
delta = 1e-9
"""
AGGREGATE = """
title = "Learners by region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "small"
[release]
type = "aggregate"
access = "controlled"
catalogue = "CATALOGUE"
[release.budget]
epsilon = 0.5
[[release.queries]]
name = "by_region"
type = "learners"
by = ["code_module", "region"]
cells = 2
[[release.queries]]
name = "clicks"
type = "quantiles"
of = "clicks"
by = ["gender"]
quantiles = [0.5]
bounds = [0, 20]
nulls = "leave-out"
method = "noisy-max"
"""
"""A quarter of the budget, for noise of both libraries."""

_CHANGING = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod"})
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "tests.freezing"])

cpu_target.typing_context.refresh()  # what numba loads with its first kernel
cpu_target.target_context.refresh()


# What may be done to a process, and when.


def kill_me() -> None:
    """End this process as the machine would: nothing is unwound."""
    os.kill(os.getpid(), signal.SIGKILL)


def starve(size: int = 0) -> None:
    """From now on no file grows beyond this size: as on a full disk, each write says an error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def lose_a_commit() -> None:
    """The next commit is made, and nobody is told: the connection is lost right after it."""
    commit = DefaultDialect.do_commit

    def lost(dialect: DefaultDialect, connection: object) -> None:
        DefaultDialect.do_commit = commit
        commit(dialect, connection)
        raise dialect.loaded_dbapi.OperationalError("lost")

    DefaultDialect.do_commit = lost


def ignore_the_lock() -> None:
    """Builds run side by side, as where the lock is lost: nothing that is promised rests on it."""
    pipelines.build.one_at_a_time = lambda *_, **__: contextlib.nullcontext()


class Hold:
    """Holds a process up until the tests let it go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = _FORKS.Event(), _FORKS.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.go_on.wait(LONGEST)

    def wait(self) -> None:
        """Until the process is held."""
        assert self.reached.wait(LONGEST)


class Meet:
    """Lets nobody go on before everybody is there."""

    def __init__(self, number: int) -> None:
        self._all = _FORKS.Barrier(number)

    def __call__(self) -> None:
        self._all.wait(LONGEST)


@dataclass(frozen=True)
class AtStep:
    """Does something before a step of a build."""

    step: str
    do: Callable[[], None]

    def arrange(self) -> None:
        """In the process, before the command."""
        told = cli_build.show_progress

        def progress(step: str) -> None:
            told(step)
            if step == self.step:
                self.do()

        cli_build.show_progress = progress


@dataclass(frozen=True)
class AtMoment:
    """Does something before the n-th change of the world, from a step on.

    Attributes:
        number: from 1: a file opened to be written, made, moved or removed, a lock, a statement of
            SQL, or a commit.
        since: the step; None: the start.
    """

    number: int
    do: Callable[[], None]
    since: str | None = None

    def arrange(self) -> None:
        """In the process, before the command."""
        seen = []

        def happens(what: str) -> None:
            seen.append(what)
            if len(seen) == self.number:
                self.do()

        _on_change(happens, self.since)


@dataclass(frozen=True)
class AtCommit:
    """Does something before the first commit."""

    do: Callable[[], None]

    def arrange(self) -> None:
        """In the process, before the command."""
        event.listen(Engine, "commit", lambda _connection: self.do(), once=True)


@dataclass(frozen=True)
class Note:
    """Writes down every change of the world, from a step on."""

    file: Path
    since: str | None = None

    def arrange(self) -> None:
        """In the process, before the command."""
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _on_change(lambda what: os.write(descriptor, f"{what}\n".encode()), self.since)


@dataclass(frozen=True)
class AtOnce:
    """Does something before the command."""

    do: Callable[[], None]

    def arrange(self) -> None:
        """In the process, before the command."""
        self.do()


Act = AtStep | AtMoment | AtCommit | AtOnce | Note


def _on_change(happens: Callable[[str], None], since: str | None) -> None:
    begun = since is None

    def begin() -> None:
        nonlocal begun
        begun = True

    def audit(name: str, arguments: tuple[object, ...]) -> None:
        # Compiled code that numba keeps is no part of the world: the first build alone writes it.
        if not begun or "__pycache__" in str(arguments[:1]):
            return
        if name == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                happens(f"write {path}")
        elif name in _CHANGING or name == "fcntl.flock":
            happens(f"{name} {arguments[0]}")

    def execute(*arguments: object) -> None:
        if begun:
            happens(str(arguments[2]).split("\n", maxsplit=1)[0])

    def commit(_connection: object) -> None:
        if begun:
            happens("commit")

    if since is not None:
        AtStep(since, begin).arrange()
    sys.addaudithook(audit)
    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "commit", commit)


# Processes.


class Ended(NamedTuple):
    """What became of a command."""

    code: int
    said: str

    @property
    def answer(self) -> dict[str, object]:
        """What a program reads of it; it must have gone well."""
        assert self.code == 0, self
        return json.loads(self.said)

    @property
    def refused(self) -> bool:
        """Whether it ended with one line that says why, and no fault of kohort."""
        one_line = self.said.startswith("Error: ") and self.said.count("\n") == 1
        return one_line and self.code in {7, 8}

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == -signal.SIGKILL


class Child:
    """A command in a process of its own, which has begun."""

    def __init__(self, words: tuple[str, ...], *acts: Act) -> None:
        self._said, said = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_command, args=(words, said, acts))
        self._process.start()
        said.close()

    def end(self) -> Ended:
        """Wait for it."""
        self._process.join(LONGEST)
        stuck = self._process.is_alive()
        if stuck:
            self._process.kill()
            self._process.join()
        heard = b""
        while part := os.read(self._said.fileno(), 1 << 16):
            heard += part
        self._said.close()
        assert not stuck, heard
        ended = Ended(self._process.exitcode, heard.decode())
        assert "Traceback" not in ended.said, ended.said
        return ended


def _command(words, said, acts) -> None:
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    said.close()
    for act in acts:
        act.arrange()
    pipelines.cli.main.main(words, prog_name="kohort")


# Worlds.


@dataclass(frozen=True)
class World:
    """A small platform with its workspace `ws`, on one of the two databases."""

    root: Path
    url: URL

    @property
    def workspace(self) -> Path:
        """The workspace's folder."""
        return self.root / "ws"

    def registry(self) -> Engine:
        """The workspace's registry."""
        return open_registry(find_workspace(self.workspace).database)

    def words(self, *words: str) -> tuple[str, ...]:
        """A command on this workspace."""
        return (*words, "--workspace", str(self.workspace))

    def build(self, *acts: Act, out: str = "out", request: str = "request.toml") -> Child:
        """Begin a build in a process of its own."""
        named = (str(self.root / request), "--out", str(self.root / out), "--json")
        return Child(self.words("build", *named), *acts)

    def say(self, *words: str, code: int = 0) -> str:
        """A command in this process."""
        return run(*self.words(*words), code=code)

    def build_now(self, out: str) -> dict[str, object]:
        """Build in this process; what a program reads of it."""
        named = (str(self.root / "request.toml"), "--out", str(self.root / out))
        return json.loads(self.say("build", *named, "--json"))

    def withdraw(self, number: int) -> None:
        """A learner takes his consent back, as a steward records it."""
        words = ("rights", "set", raw_id(number), "--state", "withdrawn", "--purpose", "research")
        self.say(*words)

    def releases(self) -> list[ReleaseStatus]:
        """Every release, oldest first."""
        return releases(self.registry())

    def states(self) -> list[str]:
        """The state of each."""
        return [str(one.state) for one in self.releases()]


class Worlds:
    """Prepared worlds, made once and copied: a database by its file, or by the server."""

    def __init__(self, folder: Path, server: object | None) -> None:
        """`server` is that of tests/postgres.py; None for SQLite."""
        self._folder, self._server = folder, server
        self._made: dict[str, World] = {}

    @contextlib.contextmanager
    def copy(self, kind: str, root: Path) -> Iterator[World]:
        """A copy of a prepared world.

        Args:
            kind: `ready` for a first build; `linked`, the same in a project; `served`, which has a
                release in `out`; `outdated`, where that is no longer what the request gives;
                `aggregate` for a first build of figures; `drawn`, which has some in `out`.
            root: where to copy it to.
        """
        world = self._copied(kind, root)
        try:
            yield world
        finally:
            if self._server is not None:
                self._server.execute(f"DROP DATABASE {world.url.database} WITH (FORCE)")

    @contextlib.contextmanager
    def lost(self, world: World) -> Iterator[None]:
        """While this lasts the world's database is away; nobody has a connection to it."""
        if self._server is None:
            files = [*world.workspace.glob("kohort.sqlite*")]
            away = world.root / "away"
            away.mkdir()
            for file in files:
                file.rename(away / file.name)
            yield
            for file in away.iterdir():
                file.rename(world.workspace / file.name)
            away.rmdir()
            return
        name = world.url.database
        self._server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self.cut(world)
        yield
        self._server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def cut(self, world: World) -> None:
        """End every connection that the PostgreSQL server has to the world's database."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        self._server.execute(f"{ended} WHERE datname = '{world.url.database}'")

    def _copied(self, kind: str, root: Path) -> World:
        made = self._prepared(kind)
        shutil.copytree(made.root, root)
        if self._server is None:
            return World(root, _file(root))
        url = self._new_database(template=made.url.database)
        _replace(root / "ws" / "kohort.toml", _address(made.url), _address(url))
        return World(root, url)

    def _prepared(self, kind: str) -> World:
        if kind not in self._made:
            self._made[kind] = self._prepare(kind)
        return self._made[kind]

    def _prepare(self, kind: str) -> World:
        root = self._folder / kind
        if kind == "ready":
            return self._ready(root)
        before = {"outdated": "served", "drawn": "aggregate"}
        world = self._copied(before.get(kind, "ready"), root)
        if kind == "outdated":
            world.withdraw(WITHDRAWN)
        elif kind in {"served", "drawn"}:
            world.build_now("out")
        elif kind == "aggregate":
            _ask_for_figures(world)
        else:
            _replace(world.workspace / "policy.toml", "projects = []", 'projects = ["study"]')
            linked = 'pseudonyms = "linked"\nproject = "study"'
            _replace(world.root / "request.toml", 'pseudonyms = "course"', linked)
        return world

    def _ready(self, root: Path) -> World:
        root.mkdir(parents=True)
        make_world(root)
        url = _file(root)
        if self._server is not None:
            shutil.rmtree(root / "ws")
            url = self._new_database()
            source = f"small={root / 'small.toml'}:{root / 'data'}"
            run("init", str(root / "ws"), "--local", "--source", source,
                "--database", _address(url))  # fmt: skip
        _replace(root / "request.toml", "_limit = 0.1", "_limit = 0.2")
        consent(root)
        return World(root, url)

    def _new_database(self, *, template: str = "template1") -> URL:
        name = f"kohort_{secrets.token_hex(6)}"
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._server.admin.set(database=name)


def prepared_worlds(request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Worlds:
    """Those of one database, as a parametrized fixture names it."""
    server = None if request.param == "sqlite" else request.getfixturevalue("postgresql")
    return Worlds(factory.mktemp(request.param), server)


def _ask_for_figures(world: World) -> None:
    """Give the family a budget and a catalogue, and ask for an aggregate."""
    policy = world.workspace / "policy.toml"
    policy.write_text(policy.read_text() + BUDGET)
    said = world.say("catalog", "new", "small", "--items", "x,y")
    catalogue = said.split("sha256: ")[1].strip()
    (world.root / "request.toml").write_text(AGGREGATE.replace("CATALOGUE", catalogue))


def _file(root: Path) -> URL:
    return URL.create("sqlite", database=str(root / "ws" / "kohort.sqlite"))


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def _address(url: URL) -> str:
    return url.render_as_string(hide_password=False)


# What must be true.


def assert_whole(world: World) -> None:
    """Whatever is out is whole and recorded, and the chain holds: at any moment."""
    assert verify_chain(world.registry()).broken is None
    known = {one.id: one for one in world.releases()}
    for package in packages(world):
        assert verify_package(package).ok
        assert known[released_in(package)].state not in {"reserved", "failed"}


def assert_tidy(world: World) -> None:
    """Nothing is left of what died: no folder, lock, key, copy or charge, and no raw row."""
    assert_whole(world)
    for package in packages(world):
        assert package.with_name(f"{package.name}.steward").is_dir()
    assert len([*world.root.glob("out*")]) == 2 * len(packages(world))
    assert left_behind(world) == []
    known = {one.id: one for one in world.releases()}
    assert "reserved" not in world.states()
    keyed = {name for name, one in known.items() if not one.shows_nobody}
    kept = {f"release-{name}" for name in keyed if known[name].state != "failed"}
    if any(one.project for one in known.values()):
        kept = {f"project-{one.project}" for one in known.values()}
    assert keys(world) == kept
    assert copies(world) == {name for name, one in known.items() if one.served}
    with world.registry().connect() as connection:
        query = select(KeyEvent.kind, KeyEvent.name, KeyEvent.event).order_by(KeyEvent.id)
        last = {f"{kind}-{name}": said for kind, name, said in connection.execute(query)}
        made = {name for name, said in last.items() if said == "created"}
        assert made - {"registry-"} == kept
        query = select(ChargeEvent.charge, ChargeEvent.kind).order_by(ChargeEvent.id)
        charges = dict(tuple(row) for row in connection.execute(query))
        assert {"reserved", "reading"}.isdisjoint(charges.values())
        if world.url.get_backend_name() == "postgresql":
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            own = "(SELECT oid FROM pg_database WHERE datname = current_database())"
            assert connection.scalar(text(f"{held} AND database = {own}")) == 0


def build_next(world: World) -> dict[str, object]:
    """The same request once more, into the first free place; everything is tidy then."""
    assert_whole(world)
    free = (f"out{n}" for n in ("", 2, 3, 4) if not (world.root / f"out{n}").exists())
    built = world.build_now(next(free))
    assert built["ok"]
    assert_tidy(world)
    return built


def packages(world: World) -> list[Path]:
    """The packages that are out."""
    return sorted(path for path in world.root.glob("out*") if not path.name.endswith(".steward"))


def released_in(package: Path) -> str:
    """The id of a package's release."""
    name = json.loads((package / "datapackage.json").read_text())["name"]
    return name.removeprefix("kohort-")


def keys(world: World) -> set[str]:
    """The keys of releases and projects that the workspace has, as their files are named."""
    files = (world.workspace / "keys").iterdir()
    return {file.stem for file in files if file.name.startswith(("release-", "project-"))}


def copies(world: World) -> set[str]:
    """The releases that the workspace keeps a copy of."""
    folder = world.workspace / "releases"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def left_behind(world: World) -> list[str]:
    """Private folders, journals, held locks, and files with a raw id outside the sources."""
    found = [str(path) for path in world.root.rglob(".kohort-*")]
    journals = (world.workspace / "building").glob("[!.]*")
    found += [str(path) for path in journals]
    for file in (path for path in world.root.rglob("*") if path.is_file()):
        if "lock" in file.name:
            with file.open("rb") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.append(f"{file}: locked")
        if world.root / "data" in file.parents or file.name == "rights.csv":
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":  # compressed
            content += pl.read_parquet(file).write_csv().encode()
        if b"rawlearner" in content:
            found.append(f"{file}: raw ids")
    return found
