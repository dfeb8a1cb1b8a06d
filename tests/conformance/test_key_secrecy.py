"""A whole life with every command that needs a key: no key is ever anywhere but in its own file."""

import base64
import json
import logging
import os

import pytest
from sqlalchemy import inspect, text

from pipelines.governance.database import open_registry
from pipelines.governance.releases import releases
from pipelines.keys import key_id, read_secret, stored_secrets
from pipelines.settings import find_workspace
from tests.smallworld import consent, make_world, raw_id, run

LINKED = 'pseudonyms = "linked"\nproject = "study"'
MASTERS = [base64.b64encode(os.urandom(32)).decode() for _ in range(2)]


class Life:
    """A workspace, whatever its commands said, and every key that ever lay in it."""

    def __init__(self, root, url):
        server = url.get_backend_name() == "postgresql"
        address = ("--database", url.render_as_string(hide_password=False)) if server else ()
        make_world(root)
        (root / "ws").rename(root / "unused")
        self.root, self.ws, self.said, self.keys = root, root / "ws", [], set()
        source = f"small={root / 'small.toml'}:{root / 'data'}"
        self.said.append(run("init", str(self.ws), "--local", "--source", source, *address))
        self.look()

    def do(self, *words, code=0):
        """A command; the keys before and after it are remembered."""
        self.said.append(run(*words, "--workspace", str(self.ws), code=code))
        self.look()
        return self.said[-1]

    def look(self):
        """Read every key that lies here."""
        self.keys |= {read_secret(self.ws, one.name) for one in stored_secrets(self.ws)}

    def build(self, name, *, linked=False):
        """Build the world's request, course-scoped or linked."""
        request = (self.root / "request.toml").read_text()
        request = request.replace("_limit = 0.1", "_limit = 0.2")
        if linked:
            request = request.replace('pseudonyms = "course"', LINKED)
            request = request.replace('"final_result", ', "")
        file = self.root / f"{name}.toml"
        file.write_text(request)
        out = ("--out", str(self.root / name), "--json")
        return json.loads(self.do("build", str(file), *out))["release"]

    def pseudonyms(self, ident, name):
        """Prove that somebody is absent from a package, or not."""
        file = self.root / f"absent-{ident}.json"
        self.do("release", "pseudonyms", ident, "--learner-id", raw_id(7), "--out", str(file),
                "--package", str(self.root / name))  # fmt: skip

    def recall(self, ident):
        """End a release for good."""
        self.do("release", "recall", ident, "--reason", "over")
        self.do("release", "confirm", ident, "--recipient", "r.lee@uni.example")

    def written(self):
        """Everything that was said or written, but for the files of keys."""
        yield "".join(self.said).encode()
        for file in self.root.rglob("*"):
            if file.is_file() and file.parent != self.ws / "keys":
                yield file.read_bytes()
        with open_registry(find_workspace(self.ws).database).connect() as connection:
            for table in inspect(connection).get_table_names():
                rows = connection.execute(text(f'SELECT * FROM "{table}"')).all()
                yield repr(rows).encode()


def forms(key):
    """How a key may stand somewhere."""
    standard = base64.b64encode(key).rstrip(b"=")
    url_safe = base64.urlsafe_b64encode(key).rstrip(b"=")
    return [key, key.hex().encode(), key.hex().upper().encode(), standard, url_safe,
            repr(key)[2:-1].encode()]  # fmt: skip


@pytest.mark.parametrize(
    ("registry_url", "sealed"),
    [("sqlite", False), ("sqlite", True), ("postgresql", True)],
    indirect=["registry_url"],
)
def test_no_key_leaves_its_file(registry_url, sealed, tmp_path, monkeypatch, caplog):
    """Built, linked, erased, rotated, proven absent, recalled, destroyed; sealed under two masters.

    Every command works as it does on plain keys; neither output nor logs, packages, steward's
    files or the database hold a key or a master key, in any form.
    """
    for name in ("KOHORT_MASTER_KEY", "KOHORT_OLD_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    if sealed:
        monkeypatch.setenv("KOHORT_MASTER_KEY", MASTERS[0])
    caplog.set_level(logging.DEBUG, "sqlalchemy")
    caplog.set_level(logging.INFO)
    life = Life(tmp_path, registry_url)
    policy = life.ws / "policy.toml"
    policy.write_text(policy.read_text().replace("projects = []", 'projects = ["study"]'))
    consent(tmp_path)
    first = life.build("first")
    second = life.build("second", linked=True)
    life.do("rights", "erase", raw_id(7), "--reason", "asked by letter")
    life.do("rights", "show", raw_id(8))
    life.pseudonyms(first, "first")
    life.pseudonyms(second, "second")
    if sealed:
        monkeypatch.setenv("KOHORT_MASTER_KEY", MASTERS[1])
        monkeypatch.setenv("KOHORT_OLD_MASTER_KEY", MASTERS[0])
        assert "3 keys are sealed under master key" in life.do("key", "seal")
        monkeypatch.delenv("KOHORT_OLD_MASTER_KEY")
    life.do("key", "rotate", "--reason", "as every year")
    for ident in (first, second):
        life.recall(ident)
    life.do("release", "destroy-key", first, "--reason", "over")
    life.do("key", "destroy-project", "study", "--reason", "over")
    third = life.build("third", linked=True)
    assert {one.sealed_by is not None for one in stored_secrets(life.ws)} == {sealed}
    told = json.loads(life.do("key", "list", "--json"))["keys"]
    assert [(one["kind"], one["state"] in {"plain", "sealed"}) for one in told] == [
        ("registry", True),
        ("project", False),
        ("project", True),
        ("release", False),
    ]
    life.recall(third)
    life.do("key", "destroy-registry", "--reason", "the platform closes", "--yes")
    assert "destroyed" in life.do("rights", "import", str(tmp_path / "rights.csv"), code=6)
    life.do("audit", "verify")
    found = releases(open_registry(find_workspace(life.ws).database))
    assert [one.key_destroyed for one in found] == [True, True, False]

    assert len(life.keys) == 5, "the registry's, one layer and two; a release's; a project's, twice"
    told = b"\0".join([*life.written(), caplog.text.encode()])
    assert all(key_id(key).encode() in told for key in life.keys), "what is there is found"
    secrets = [key[i : i + 32] for key in life.keys for i in range(0, len(key), 32)]
    secrets += map(base64.b64decode, MASTERS)
    for key in secrets:
        assert not any(form in told for form in forms(key))
