"""The workspace's own copy of every package that is served: what the same request gets again."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from pipelines.errors import OutputError, RegistryError
from pipelines.folders import remove, sync, sync_one, told
from pipelines.governance.releases import ReleaseStatus
from schemas.manifest import CHECKSUMS_NAME

_FOLDER: Final = "releases"
_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)")


class Stored(NamedTuple):
    """The folders of one kept release; for their owner's eyes only."""

    package: Path
    steward: Path


def keep(root: Path, release_id: str, package: Path, steward: Path, *, package_sha256: str) -> None:
    """Copy a package and its steward's files into the workspace: both, or nothing.

    They are on disk when this returns. What a process leaves that is killed in it, `discard`
    removes.

    Args:
        root: the workspace.
        release_id: which release.
        package: its package.
        steward: the steward's files.
        package_sha256: of the package, as it is recorded: the copy is held to it.

    Raises:
        OutputError: they can't be copied, the package changes meanwhile, or the release is kept
            already.
    """
    folder, made = _folder(root, release_id), _unfinished(root, release_id)
    with _writing(folder):
        if folder.exists():
            raise OutputError(f"{folder} exists already; discard it, or build anew")
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            made.mkdir(mode=0o700)
            shutil.copytree(package, made / "package")
            shutil.copytree(steward, made / "steward")
            if not _is_whole(made / "package", package_sha256):
                raise OutputError(f"{package}: somebody changed it while it was copied; build anew")
            sync(made)
            made.rename(folder)
            sync_one(folder.parent)
            sync_one(root)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def stored(root: Path, release_id: str) -> Stored | None:
    """Where a release is kept; None if it is not."""
    folder = _folder(root, release_id)
    kept = Stored(folder / "package", folder / "steward")
    return kept if all(part.is_dir() for part in kept) else None


def copy_to(kept: Stored, package: Path, steward: Path, *, package_sha256: str) -> None:
    """Copy a kept release into two empty folders.

    Args:
        kept: the release.
        package: an empty folder.
        steward: an empty folder.
        package_sha256: of the package, as the registry has it.

    Raises:
        RegistryError: the stored package is not the one that was released.
        OutputError: it can't be copied.
    """
    with _writing(package):
        shutil.copytree(kept.package, package, symlinks=True, dirs_exist_ok=True)
        shutil.copytree(kept.steward, steward, symlinks=True, dirs_exist_ok=True)
        if not _is_whole(package, package_sha256):
            raise RegistryError(
                f"{kept.package}: the stored copy was changed; restore it from your backup, or "
                "recall the release and build anew"
            )


def discard(root: Path, release_id: str) -> bool:
    """Remove the kept copy of a release, if there is one, or what there is of it.

    Returns:
        Whether there was one.

    Raises:
        OutputError: it can't be removed.
    """
    return remove(_folder(root, release_id)) | remove(_unfinished(root, release_id))


def discard_ended(root: Path, ended: ReleaseStatus) -> bool:
    """Remove the kept copy of a release that ended, if there is one.

    Linked releases are checked on their union while they are live and have their key, so theirs
    stays until then.

    Returns:
        Whether there was one.

    Raises:
        OutputError: it can't be removed.
    """
    checked = ended.project is not None and ended.live and not ended.key_destroyed
    return not checked and discard(root, ended.id)


def package_digest(package: Path) -> str:
    """The SHA-256 of a package: of its list of checksums, which covers every other file."""
    return _sha256(package / CHECKSUMS_NAME)


def _folder(root: Path, release_id: str) -> Path:
    return root / _FOLDER / release_id


def _unfinished(root: Path, release_id: str) -> Path:
    return root / _FOLDER / f".kohort-{release_id}"


def _is_whole(package: Path, package_sha256: str) -> bool:
    """Whether the list is the one that was released, and the files are those of the list."""
    if not (package / CHECKSUMS_NAME).is_file() or package_digest(package) != package_sha256:
        return False
    text = (package / CHECKSUMS_NAME).read_text(encoding="utf-8")
    listed = {path: digest for digest, path in _LINE.findall(text)}
    # A link is no file of a package, whatever it leads to.
    others = [path for path in package.rglob("*") if path.is_symlink() or not path.is_dir()]
    if any(path.is_symlink() for path in others):
        return False
    present = {path.relative_to(package).as_posix(): _sha256(path) for path in others}
    del present[CHECKSUMS_NAME]
    return present == listed


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except shutil.Error:  # of several files at once; its text lists them all
        raise OutputError(f"{place}: can't copy the package there") from None
    except OSError as error:
        raise OutputError(f"{place}: can't copy the package there ({told(error)})") from None
