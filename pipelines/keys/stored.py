"""Secrets of a workspace, each in a file of its own under `keys/`; plain, or sealed.

A secret is one key of 32 bytes, or several in a row. Where `KOHORT_MASTER_KEY` is set, what is
written is sealed under it; plain files stay readable.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.errors import SettingsError
from pipelines.keys.envelope import (
    KEY_BYTES,
    MASTER,
    OLD_MASTER,
    MasterKey,
    is_sealed,
    key_id,
    master_key,
    sealed_by,
    unwrapped,
    wrapped,
)
from pipelines.keys.files import (
    changing_files,
    new_file,
    read_file,
    remove_file,
    replace_file,
)

FOLDER: Final = "keys"
_SUFFIX: Final = ".key"
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret as it lies in its file.

    Attributes:
        name: of the secret: its file's without `.key`.
        sealed_by: the id of the master key; None: it lies plain.
    """

    name: str
    sealed_by: str | None


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What sealing all secrets did, or unsealing them.

    Attributes:
        secrets: how many there are.
        changed: how many of them were not so before.
        master: the id of the master key that all are sealed under; None: all lie plain.
    """

    secrets: int
    changed: int
    master: str | None


def read_secret(root: Path, name: str) -> bytes | None:
    """A secret; None where there is none.

    Raises:
        SettingsError: it can't be read, others may read it, it was changed, or it is sealed under
            a master key that the environment does not hold.
    """
    path = _path(root, name)
    data = read_file(path)
    return None if data is None else unwrapped(path, data)


def write_secret(root: Path, name: str, secret: bytes, *, replace: bool) -> None:
    """Keep a secret; it is on disk, whole, when this returns.

    Args:
        root: the workspace.
        name: of the secret: a-z, 0-9 and single -.
        secret: a positive multiple of 32 bytes.
        replace: true: there is one of this name, which stays until this one is on disk, and is
            overwritten then; false: there must be none.

    Raises:
        FileExistsError: there is one, where it should be new.
        SettingsError: the environment's master key is none; or there is none, and keys here are
            sealed, or the old one is set: it would lie plain beside them without anybody's wish.
        OutputError: it can't be written.
    """
    if not secret or len(secret) % KEY_BYTES:
        raise ValueError(f"secret: a multiple of {KEY_BYTES} bytes was expected")
    path = _path(root, name)
    master = master_key()
    data = wrapped(path, secret, master)
    with changing_files(path.parent):
        if master is None:
            _refuse_plain(root)
        if replace:
            replace_file(path, data)
        else:
            new_file(path, data)


def remove_secret(root: Path, name: str, *, only: str | None = None) -> bool:
    """Overwrite and remove a secret; nothing happens where there is none.

    A journal of the file system, an SSD's spare blocks, snapshots and backups may keep what was
    overwritten. A secret that only ever lay sealed is gone for good with its master key.

    Args:
        root: the workspace.
        name: of the secret.
        only: the id of the secret that is meant; one of another id stays.

    Returns:
        Whether there was a file that is gone now.

    Raises:
        SettingsError: its id is asked for, and it can't be read.
        OutputError: it can't be removed.
    """
    path = _path(root, name)
    if not path.exists():
        return False
    with changing_files(path.parent):
        if only is not None:
            secret = read_secret(root, name)
            if secret is not None and key_id(secret) != only:
                return False
        remove_file(path)
    return True


def stored_secrets(root: Path) -> list[StoredSecret]:
    """Every secret that lies here, by name.

    Raises:
        SettingsError: a file can't be read, or is no key.
    """
    found = ((path, read_file(path)) for path in _files(root))
    return [
        StoredSecret(path.stem, sealed_by(path, data)) for path, data in found if data is not None
    ]


def seal_secrets(root: Path) -> Rewrapped:
    """Seal every secret under `KOHORT_MASTER_KEY`.

    What lies plain is sealed; what is sealed under `KOHORT_OLD_MASTER_KEY` is sealed anew. A file
    stays until its replacement is on disk: a run that was cut off is repeated.

    Raises:
        SettingsError: there is no master key, or a secret can't be read; nothing is changed then.
        OutputError: a file can't be written.
    """
    master = master_key()
    if master is None:
        raise SettingsError(
            f"{MASTER} is not set; make a key with `openssl rand -base64 {KEY_BYTES}`, keep it "
            "where your platform keeps secrets, and set the variable to it"
        )
    return _rewrap(root, master)


def unseal_secrets(root: Path) -> Rewrapped:
    """Have every secret lie plain; what is sealed is opened as in `read_secret`.

    Raises:
        SettingsError: a secret can't be read; nothing is changed then.
        OutputError: a file can't be written.
    """
    return _rewrap(root, None)


def sweep_secrets(root: Path) -> None:
    """Remove what killed writes left, as every write does first.

    Raises:
        OutputError: it can't be removed.
    """
    if (root / FOLDER).is_dir():
        with changing_files(root / FOLDER):
            pass


def _refuse_plain(root: Path) -> None:
    """Whoever seals his keys writes none plain by mistake; `kohort key unseal` is the way out."""
    if master_key(OLD_MASTER) is not None:
        raise SettingsError(
            f"{OLD_MASTER} is set and {MASTER} is not, so a key would be written plain; set "
            f"{MASTER}, or run `kohort key unseal` and unset {OLD_MASTER}"
        )
    if any(is_sealed(path) for path in _files(root)):
        raise SettingsError(
            f"{MASTER} is not set, and keys in {root / FOLDER} are sealed: a key would be written "
            f"plain beside them; set {MASTER}, or run `kohort key unseal` with it first"
        )


def _rewrap(root: Path, master: MasterKey | None) -> Rewrapped:
    under = None if master is None else master.id
    with changing_files(root / FOLDER):
        found = {path: data for path in _files(root) if (data := read_file(path)) is not None}
        # Every one is opened before the first is replaced.
        secrets = {path: unwrapped(path, data) for path, data in found.items()}
        due = [path for path, data in found.items() if sealed_by(path, data) != under]
        for path in due:
            replace_file(path, wrapped(path, secrets[path], master))
    return Rewrapped(len(found), len(due), under)


def _files(root: Path) -> list[Path]:
    files = (root / FOLDER).glob(f"*{_SUFFIX}")
    return sorted(path for path in files if _NAME.fullmatch(path.stem))


def _path(root: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError("name: a-z, 0-9 and single - were expected")
    return root / FOLDER / f"{name}{_SUFFIX}"
