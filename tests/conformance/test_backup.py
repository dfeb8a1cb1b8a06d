"""A copy of the registry, made while it is used."""

import stat
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from pipelines.errors import OutputError, RegistryError, RoleError
from pipelines.governance.backup import back_up
from pipelines.governance.chain import changing, head
from pipelines.governance.database import open_registry
from pipelines.governance.tables import Action
from pipelines.people import Actor, Duty

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ENGINEER = Actor("e.diaz@platform.example", "root", frozenset({Duty.ENGINEER}))


def test_a_copy_holds_the_chain(registry, registry_url, tmp_path):
    """It is a registry with the same head, for its owner's eyes; PostgreSQL has its own tool."""
    to = tmp_path / "copy.sqlite"
    if registry_url.get_backend_name() != "sqlite":
        with pytest.raises(RegistryError, match="pg_dump"):
            back_up(registry_url, to, actor=ENGINEER, at=NOW)
        assert not to.exists()
        return
    with registry.connect() as reader:  # somebody is at it
        reader.execute(select(Action.id)).all()
        told = back_up(registry_url, to, actor=ENGINEER, at=NOW)
    with changing(registry) as change:
        change.record(ENGINEER, "test", "later", at=NOW)
    assert head(open_registry(registry_url.set(database=str(to)))) == told
    assert told.entry == 1
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sqlite"]


def test_what_is_there_stays(registry, registry_url, tmp_path):
    """An existing file is never written over, and a researcher gets no copy."""
    if registry_url.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL has its own tool")
    to = tmp_path / "copy.sqlite"
    to.write_text("mine")
    with pytest.raises(OutputError, match="name a new file"):
        back_up(registry_url, to, actor=ENGINEER, at=NOW)
    assert to.read_text() == "mine"
    lee = Actor("r.lee@uni.example", "root", frozenset({Duty.RESEARCHER}))
    with pytest.raises(RoleError):
        back_up(registry_url, tmp_path / "other", actor=lee, at=NOW)
    assert not (tmp_path / "other").exists()
    assert head(registry).entry == 0
