"""Keys: 32 random bytes in files that only their owner can read, apart from everything else."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipelines.errors import SettingsError

KEY_BYTES: Final = 32
_FOLDER: Final = "keys"
_REGISTRY: Final = "registry.key"


def create_keys(root: Path) -> bool:
    """Make the key folder and the registry key of a new workspace; one that is there stays.

    Returns:
        Whether the registry key is new.
    """
    folder = root / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    if (folder / _REGISTRY).exists():
        return False
    _write_key(folder / _REGISTRY, os.urandom(KEY_BYTES))
    return True


def remove_new_keys(root: Path) -> None:
    """Take back what `create_keys` made, where it made the registry key."""
    (root / _FOLDER / _REGISTRY).unlink(missing_ok=True)
    with suppress(OSError):  # other keys stay
        (root / _FOLDER).rmdir()


def registry_key(root: Path) -> bytes:
    """The key under which the rights registry knows learners.

    Raises:
        SettingsError: the key is missing or not a key.
    """
    path = root / _FOLDER / _REGISTRY
    key = _read_key(path)
    if key is None:
        raise SettingsError(f"{path}: the registry key is missing; restore it from your backup")
    return key


def store_release_key(root: Path, release: str, key: bytes) -> None:
    """Keep the key of one release; destroying it makes its pseudonyms unlinkable."""
    _write_key(_release_file(root, release), key)


def release_key(root: Path, release: str) -> bytes | None:
    """The key of one release; None where it was destroyed.

    Raises:
        SettingsError: it can't be read.
    """
    return _read_key(_release_file(root, release))


def destroy_release_key(root: Path, release: str) -> None:
    """Overwrite and remove the key of one release; nothing happens where it is gone already."""
    path = _release_file(root, release)
    if path.exists():
        with path.open("r+b") as file:
            file.write(bytes(KEY_BYTES))
            os.fsync(file.fileno())
        path.unlink()


def project_key(root: Path, project: str) -> bytes | None:
    """The key under which the extracts of a project are linked; None where there is none.

    Raises:
        SettingsError: it can't be read.
    """
    return _read_key(_project_file(root, project))


def make_project_key(root: Path, project: str, randomness: Callable[[int], bytes]) -> bytes:
    """The key of a project, made where it is new.

    Raises:
        SettingsError: it can't be read.
    """
    if (known := project_key(root, project)) is not None:
        return known
    key = randomness(KEY_BYTES)
    _write_key(_project_file(root, project), key)
    return key


def _release_file(root: Path, release: str) -> Path:
    return root / _FOLDER / f"release-{release}.key"


def _project_file(root: Path, project: str) -> Path:
    return root / _FOLDER / f"project-{project}.key"


def _read_key(path: Path) -> bytes | None:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: the key can't be read ({error.strerror})") from None
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path}: a key has {KEY_BYTES} bytes; restore it from your backup")
    return key


def _write_key(path: Path, key: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
