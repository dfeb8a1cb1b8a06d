"""Keys: who may open a sealed one, what tells them apart, and sealing that may be cut off."""

import base64
import hashlib
import os
import stat
import subprocess
import sys
import threading

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.errors import SettingsError
from pipelines.keys import (
    REGISTRY,
    create_keys,
    destroy_release_key,
    key_id,
    make_project_key,
    project_key,
    read_secret,
    registry_key,
    release_key,
    remove_new_keys,
    remove_secret,
    seal_secrets,
    store_release_key,
    stored_secrets,
    unseal_secrets,
    write_secret,
)

KEY, LAYERS = bytes(range(32)), bytes(range(96))
FIRST, SECOND = b"\1" * 32, b"\2" * 32
MASTER, OLD = "KOHORT_MASTER_KEY", "KOHORT_OLD_MASTER_KEY"
SECRETS = {"registry": LAYERS, "release-1f00a3c2": KEY, "project-dropout": bytes(32)}
KILLED = """
import os, sys
from pathlib import Path
from pipelines.keys import seal_secrets
step = int(sys.argv[1])
def dying(real):
    def call(*arguments, **options):
        global step
        step -= 1
        if step < 0:
            os._exit(9)
        return real(*arguments, **options)
    return call
for name in ("fsync", "unlink", "replace", "chmod", "pwrite"):
    setattr(os, name, dying(getattr(os, name)))
seal_secrets(Path(sys.argv[2]))
"""


@pytest.fixture
def root(tmp_path):
    """A workspace's folder with no keys in it."""
    (tmp_path / "keys").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture(autouse=True)
def no_master(monkeypatch):
    """The environment of whoever runs the tests plays no part."""
    for name in (MASTER, OLD):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def masters(monkeypatch):
    """Set the master keys of the environment; None takes one out."""

    def set_them(now, old=None):
        for name, key in ((MASTER, now), (OLD, old)):
            if key is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, base64.b64encode(key).decode())

    return set_them


def master_id(master):
    """As the file tells it."""
    return hashlib.sha256(b"kohort master key id 1\n" + master).hexdigest()[:16]


def lay(root):
    """Write every secret."""
    for name, secret in SECRETS.items():
        write_secret(root, name, secret, replace=False)


def held(root):
    """Every secret, as it is read."""
    return {name: read_secret(root, name) for name in SECRETS}


def sealed_by(root):
    """Under which master keys they lie."""
    return {one.sealed_by for one in stored_secrets(root)}


def test_a_key_is_told_by_part_of_a_digest():
    """Of all layers, under a prefix of its own."""
    for secret in (KEY, LAYERS):
        assert key_id(secret) == hashlib.sha256(b"kohort key id 1\n" + secret).hexdigest()[:16]
    assert key_id(KEY) != key_id(LAYERS)


def test_keys_of_a_new_workspace(tmp_path):
    """The folder and the registry's key are their owner's; a key that is there stays."""
    assert create_keys(tmp_path)
    key = registry_key(tmp_path)
    assert len(key) == 32
    assert not create_keys(tmp_path)
    assert registry_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    remove_new_keys(tmp_path)
    assert not (tmp_path / "keys").exists()
    with pytest.raises(SettingsError, match="is missing; restore it from your backup"):
        registry_key(tmp_path)


@pytest.mark.parametrize("master", [None, FIRST])
def test_keys_by_what_they_are_for(root, masters, master):
    """Plain or sealed, a key is what it was; once destroyed it is none."""
    masters(master)
    store_release_key(root, "1f00a3c2", KEY)
    with pytest.raises(FileExistsError):
        store_release_key(root, "1f00a3c2", bytes(32))
    assert release_key(root, "1f00a3c2") == KEY
    assert release_key(root, "00000000") is None
    assert make_project_key(root, "dropout", lambda n: KEY[:n]) == KEY
    assert make_project_key(root, "dropout", bytes) == project_key(root, "dropout") == KEY
    destroy_release_key(root, "1f00a3c2")
    destroy_release_key(root, "1f00a3c2")
    assert release_key(root, "1f00a3c2") is None
    assert [one.name for one in stored_secrets(root)] == ["project-dropout"]
    assert sealed_by(root) == {master and master_id(master)}


def test_one_of_many_makes_the_key_of_a_project(root):
    """Whoever comes second gets the first one's."""
    together, got = threading.Barrier(8), []

    def make():
        together.wait()
        got.append(make_project_key(root, "dropout", os.urandom))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(got) == 8
    assert set(got) == {project_key(root, "dropout")}


def test_a_file_that_leads_nowhere_is_no_key(root):
    """A link to a key that is gone is neither read nor replaced, nor waited for."""
    (root / "keys/project-dropout.key").symlink_to(root / "gone")
    with pytest.raises(SettingsError, match="removed while it was made"):
        make_project_key(root, "dropout", os.urandom)


def test_only_the_secret_that_is_meant_is_removed(root):
    """One of another id stays."""
    lay(root)
    assert not remove_secret(root, "project-dropout", only=key_id(KEY))
    assert remove_secret(root, "project-dropout", only=key_id(bytes(32)))
    assert not remove_secret(root, "project-dropout")
    assert project_key(root, "dropout") is None


@pytest.mark.parametrize("bad", ["../x", "a/b", "A", "a--b", ""])
def test_a_name_is_no_path(root, bad):
    """Whatever calls itself a key stays in the folder; nor is a half key one."""
    with pytest.raises(ValueError, match="name"):
        read_secret(root, bad)
    for secret in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="secret"):
            write_secret(root, "registry", secret, replace=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        base64.b64encode(b"\xff" * 32).decode().replace("/", "_"),
        base64.b64encode(KEY).decode() + "\n",
        KEY.hex(),
        "schl\u00fcssel",
    ],
)
def test_a_master_key_is_32_bytes_in_base64(root, monkeypatch, text):
    """Anything else is refused before a key is written; the line does not repeat it."""
    monkeypatch.setenv(MASTER, text)
    with pytest.raises(SettingsError, match=f"^{MASTER}: the base64 of 32 bytes") as refused:
        write_secret(root, "registry", KEY, replace=False)
    assert not text.strip() or text.strip() not in str(refused.value)
    assert stored_secrets(root) == []


def test_the_format_of_a_sealed_file(root, masters):
    """As the docstring says, so that another program can open it with the master key."""
    masters(FIRST)
    write_secret(root, "registry", LAYERS, replace=False)
    data = (root / "keys/registry.key").read_bytes()
    start = b"kohort-sealed-1\n" + master_id(FIRST).encode()
    assert data.startswith(start)
    nonce, body = data[len(start) : len(start) + 12], data[len(start) + 12 :]
    context = b"kohort-sealed-1\nregistry.key"
    assert AESGCM(FIRST).decrypt(nonce, body, context) == LAYERS
    assert len(data) % 32
    write_secret(root, "registry", LAYERS, replace=True)
    assert (root / "keys/registry.key").read_bytes()[len(start) :][:12] != nonce


def test_without_its_master_key_a_sealed_one_stays_shut(root, masters):
    """The line names the file, the master key by its id, and which one there is."""
    masters(FIRST)
    lay(root)
    masters(None)
    asked = f"registry.key: sealed under master key {master_id(FIRST)}; set {MASTER} to that"
    with pytest.raises(SettingsError, match=f"{asked}$"):
        registry_key(root)
    masters(SECOND)
    with pytest.raises(SettingsError, match=rf"{asked} \(it is {master_id(SECOND)} now\)"):
        registry_key(root)
    masters(SECOND, FIRST)
    assert held(root) == SECRETS


def test_a_plain_file_beside_a_master_key(root, masters):
    """Is read as it was, until it is sealed."""
    lay(root)
    masters(FIRST)
    assert held(root) == SECRETS
    assert sealed_by(root) == {None}


def test_no_key_lies_plain_beside_sealed_ones(root, masters):
    """Nor where the old master key alone is set: both are mistakes; unsealing is the way out."""
    masters(None, FIRST)
    with pytest.raises(SettingsError, match=f"^{OLD} is set and {MASTER} is not"):
        write_secret(root, "registry", KEY, replace=False)
    with pytest.raises(SettingsError, match="run `kohort key unseal` and unset"):
        create_keys(root)
    masters(FIRST)
    lay(root)
    before = {file.name: file.read_bytes() for file in (root / "keys").iterdir()}
    for old in (None, FIRST):
        masters(None, old)
        for name, there in (("registry", True), ("release-0000000b", False)):
            with pytest.raises(SettingsError, match=f"{MASTER} is not"):
                write_secret(root, name, KEY, replace=there)
        with pytest.raises(SettingsError, match=f"{MASTER} is not"):
            make_project_key(root, "other", lambda n: KEY[:n])
    assert {file.name: file.read_bytes() for file in (root / "keys").iterdir()} == before
    assert unseal_secrets(root).changed == 3
    masters(None)
    write_secret(root, "registry", KEY, replace=True)
    assert sealed_by(root) == {None}


def test_swapped_files_do_not_open(root, masters):
    """A sealed key is that of its file's name."""
    masters(FIRST)
    lay(root)
    one, other = root / "keys/release-1f00a3c2.key", root / "keys/project-dropout.key"
    mine, others = one.read_bytes(), other.read_bytes()
    one.write_bytes(others)
    other.write_bytes(mine)
    for read in (lambda: release_key(root, "1f00a3c2"), lambda: project_key(root, "dropout")):
        with pytest.raises(SettingsError, match="was changed, or is that of another file"):
            read()


def test_a_changed_file_is_refused(root, masters):
    """Whichever byte is changed, wherever it is cut off: one line, and never a key."""
    masters(FIRST)
    write_secret(root, "registry", KEY, replace=False)
    file = root / "keys/registry.key"
    data = file.read_bytes()
    changed = [data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(len(data))]
    for bad in (*changed, *(data[:i] for i in range(len(data))), data + b"\0", data * 2):
        file.write_bytes(bad)
        with pytest.raises(SettingsError, match=r"registry\.key: ") as refused:
            registry_key(root)
        assert "\n" not in str(refused.value)


def test_sealing(root, masters):
    """From plain, then from an old master key to a new one; again changes nothing; and back."""
    lay(root)
    with pytest.raises(SettingsError, match="KOHORT_MASTER_KEY is not set"):
        seal_secrets(root)
    masters(FIRST)
    done = seal_secrets(root)
    assert (done.secrets, done.changed, done.master) == (3, 3, master_id(FIRST))
    assert not any(KEY in file.read_bytes() for file in (root / "keys").iterdir())
    before = {file.name: file.read_bytes() for file in (root / "keys").iterdir()}
    assert seal_secrets(root).changed == 0
    assert {file.name: file.read_bytes() for file in (root / "keys").iterdir()} == before
    masters(SECOND, FIRST)
    assert (held(root), seal_secrets(root).changed) == (SECRETS, 3)
    masters(SECOND)
    assert (held(root), sealed_by(root)) == (SECRETS, {master_id(SECOND)})
    assert (unseal_secrets(root).changed, unseal_secrets(root).changed) == (3, 0)
    masters(None)
    assert (held(root), sealed_by(root)) == (SECRETS, {None})
    for file in (root / "keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_cannot_be_opened_stops_sealing_before_it_starts(root, masters):
    """All are opened first: none is left under another master key than the rest."""
    write_secret(root, "project-dropout", KEY, replace=False)
    masters(FIRST)
    write_secret(root, "registry", KEY, replace=False)
    masters(SECOND)
    with pytest.raises(SettingsError, match="sealed under master key"):
        seal_secrets(root)
    assert sealed_by(root) == {None, master_id(FIRST)}


def test_sealing_that_is_killed_at_each_step(root, masters):
    """Every key can be read, with both master keys at hand; the next run seals them all."""
    cut_off = 0
    for step in range(60):
        for file in (root / "keys").iterdir():
            file.unlink()
        masters(None)
        write_secret(root, "project-dropout", bytes(32), replace=False)
        masters(FIRST)
        write_secret(root, "registry", LAYERS, replace=False)
        write_secret(root, "release-1f00a3c2", KEY, replace=False)
        masters(SECOND, FIRST)
        run = [sys.executable, "-c", KILLED, str(step), str(root)]
        code = subprocess.run(run, check=False).returncode
        assert held(root) == SECRETS
        cut_off += len(sealed_by(root)) > 1
        seal_secrets(root)
        assert {file.stem for file in (root / "keys").iterdir()} == set(SECRETS)
        assert (held(root), sealed_by(root)) == (SECRETS, {master_id(SECOND)})
        if code == 0:
            break
        assert code == 9
    assert code == 0
    assert cut_off > 10


def test_the_registry_key_may_have_layers(root):
    """A rotation adds 32 bytes; what stands in the folder besides keys is none."""
    write_secret(root, REGISTRY, LAYERS, replace=False)
    (root / "keys/notes.txt").write_text("x")
    (root / "keys/.kohort-left").write_bytes(KEY)
    assert registry_key(root) == LAYERS
    assert [one.name for one in stored_secrets(root)] == ["registry"]
