"""A real PostgreSQL server for the tests: started by them on loopback, and gone with them."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

USER = "kohort"
START_SECONDS = 60
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    # As a server that somebody else set up may have it: nothing may depend on these.
    "timezone": "Asia/Kolkata",
    "datestyle": "SQL, DMY",
    "default_transaction_isolation": "repeatable read",
}
# Waits until the pipe from the test process is closed: by its end, or by its being killed.
GUARD = 'folder=$1; shift; "$@" & cat; kill -INT $!; wait $!; rm -rf "$folder"'


@dataclass(frozen=True)
class Server:
    """A server that runs; `admin` is the URL of its own database."""

    admin: URL

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[URL]:
        """A fresh database, empty or like another; dropped at the end, whoever is connected."""
        name = f"kohort_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template1'}")
        try:
            yield self.admin.set(database=name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement as the server's administrator, outside a transaction."""
        engine = create_engine(self.admin, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server in a folder of its own; stopped and removed in any case.

    The tests that need one are skipped where none can be had.
    """
    programs = _programs()
    if programs is None:
        pytest.skip(
            "NOT TESTED ON POSTGRESQL: no initdb and postgres on PATH or in /usr/lib/postgresql; "
            "install Debian's package `postgresql`"
        )
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="kohort-postgresql-"))
    os.chown(folder, account.pw_uid, account.pw_gid)
    own = {"cwd": folder, "user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    options = own if os.geteuid() == 0 else {"cwd": folder}
    password = secrets.token_hex(16)
    guard = None
    try:
        (folder / "password").write_text(password)
        subprocess.run(_initdb(programs, folder), check=True, capture_output=True, **options)
        (folder / "password").unlink()
        port = _free_port()
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        server = [programs / "postgres", "-D", folder / "data", "-p", str(port), *settings]
        with (folder / "log").open("wb") as log:
            guard = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "guard", folder, *server],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C is for the tests; they end the server
                **options,
            )
        admin = URL.create("postgresql+psycopg", USER, password, "127.0.0.1", port, "postgres")
        _wait_for(admin, folder / "log")
        yield Server(admin)
    finally:
        if guard is not None:
            guard.stdin.close()
            guard.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of the newest server programs."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: int(f.parent.name), reverse=True
    )
    wanted = ("initdb", "postgres")
    return next((f for f in folders if all((f / name).is_file() for name in wanted)), None)


def _account() -> pwd.struct_passwd:
    """Who runs the server: ourselves, but never root, whom it refuses."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _initdb(programs: Path, folder: Path) -> list[str | Path]:
    command = [programs / "initdb", "-D", folder / "data", "-U", USER, "--no-sync"]
    # SCRAM is made to be slow, and a build makes some hundred connections.
    command += ["--auth=md5", "--pwfile", folder / "password"]
    command += ["--encoding=UTF8", "--locale=C"]
    version = subprocess.run([programs / "postgres", "-V"], check=True, capture_output=True)
    if int(version.stdout.split()[2].split(b".")[0]) >= 15:
        # As most teams have it: text is sorted as people do, not by code point as in SQLite.
        command += ["--locale-provider=icu", "--icu-locale=en-US"]
    return command


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(admin: URL, log: Path) -> None:
    import psycopg  # noqa: PLC0415 - the tests that need no server run without the driver

    url = admin.set(drivername="postgresql").render_as_string(hide_password=False)
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
