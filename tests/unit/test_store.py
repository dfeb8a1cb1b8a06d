"""The workspace's copies of served packages: whole, private, unchanged, and gone when discarded."""

import hashlib
import os
from pathlib import Path

import pytest

from pipelines.errors import OutputError, RegistryError
from pipelines.store import copy_to, discard, keep, package_digest, stored

FILES = {"data/enrolments.parquet": b"rows", "README.md": "Größe\n".encode()}


@pytest.fixture
def built(tmp_path):
    """A package and the steward's files, as a build leaves them."""
    package, steward = tmp_path / "built", tmp_path / "built.steward"
    (package / "data").mkdir(parents=True)
    for path, content in FILES.items():
        (package / path).write_bytes(content)
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content in FILES.items()]
    (package / "checksums.sha256").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (steward / "quarantine").mkdir(parents=True)
    (steward / "risk.json").write_text("{}")
    return package, steward


@pytest.fixture
def root(tmp_path):
    """A workspace."""
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.fixture
def taken(root, built, tmp_path):
    """Keep the package as 1a; take it out again into two empty folders."""
    keep(root, "1a", *built, package_sha256=package_digest(built[0]))
    package, steward = tmp_path / "out", tmp_path / "out.steward"
    package.mkdir()
    steward.mkdir()

    def taken():
        copy_to(stored(root, "1a"), package, steward, package_sha256=package_digest(built[0]))
        return package, steward

    return taken


def content(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_was_kept_is_given_again(taken, built):
    """Both folders come back as they were."""
    assert [content(folder) for folder in taken()] == [content(folder) for folder in built]


def test_the_copy_is_its_owners_alone(root, built):
    """Nobody else of the machine may look into the store, whatever the package's own mode."""
    built[0].chmod(0o755)
    keep(root, "1a", *built, package_sha256=package_digest(built[0]))
    folders = (root / "releases", root / "releases" / "1a")
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]
    assert [path.name for path in root.iterdir()] == ["releases"]


def test_nothing_is_kept_by_halves(root, built, tmp_path):
    """Where the steward's files can't be copied, the package is not kept either."""
    with pytest.raises(OutputError, match="can't copy"):
        keep(
            root,
            "1a",
            built[0],
            tmp_path / "absent",
            package_sha256=package_digest(built[0]),
        )
    assert stored(root, "1a") is None
    assert list((root / "releases").iterdir()) == []
    assert [path.name for path in root.iterdir()] == ["releases"]


def test_a_copy_is_on_disk_before_it_has_its_name(root, built, monkeypatch):
    """Every file and folder of it: a power cut later must not leave a release without its copy."""
    synced, fsync = [], os.fsync

    def noted(descriptor):
        fsync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(root))

    monkeypatch.setattr(os, "fsync", noted)
    keep(root, "1a", *built, package_sha256=package_digest(built[0]))
    copy, releases = Path("releases"), root / "releases" / "1a"
    expected = {path.relative_to(releases) for path in (releases, *releases.rglob("*"))}
    assert {path.relative_to(copy / ".kohort-1a") for path in synced[:-2]} == expected
    assert synced[-2:] == [copy, Path()]


def test_what_a_killed_copy_leaves_is_discarded(root, built):
    """It is no kept release, and is removed with one of its name."""
    keep(root, "1a", *built, package_sha256=package_digest(built[0]))
    (root / "releases" / "1a").rename(root / "releases" / ".kohort-1a")
    assert stored(root, "1a") is None
    assert discard(root, "1a")
    assert list((root / "releases").iterdir()) == []
    assert not discard(root, "1a")


def test_a_release_is_kept_once(root, built):
    """A second package doesn't replace the first."""
    keep(root, "1a", *built, package_sha256=package_digest(built[0]))
    with pytest.raises(OutputError, match="exists already"):
        keep(root, "1a", *built, package_sha256=package_digest(built[0]))


@pytest.mark.parametrize(
    "change",
    [
        lambda package: (package / "README.md").write_text("other"),
        lambda package: (package / "README.md").unlink(),
        lambda package: (package / "more.csv").write_text("x"),
        lambda package: (package / "more.csv").symlink_to(package / "README.md"),
        lambda package: (package / "more.csv").symlink_to("nowhere"),
        lambda package: (package / "more").symlink_to(package / "data"),
        lambda package: (package / "checksums.sha256").write_text(""),
        lambda package: (package / "checksums.sha256").unlink(),
    ],
)
def test_a_changed_copy_is_never_given_out(root, taken, change):
    """A file that was changed, removed, added or made a link refuses the copy."""
    change(root / "releases" / "1a" / "package")
    with pytest.raises(RegistryError, match="the stored copy was changed"):
        taken()


def test_another_package_is_not_the_released_one(root, taken):
    """A package that agrees with its own checksums must also be the one of the registry."""
    package = root / "releases" / "1a" / "package"
    other = hashlib.sha256(b"other").hexdigest()
    lines = (package / "checksums.sha256").read_text(encoding="utf-8").splitlines()
    (package / "README.md").write_bytes(b"other")
    (package / "checksums.sha256").write_text(f"{lines[0]}\n{other}  README.md\n")
    with pytest.raises(RegistryError, match="the stored copy was changed"):
        taken()


@pytest.mark.parametrize("part", ["package", "steward"])
def test_a_lost_copy(root, taken, part):
    """A release of which a part is lost is not kept."""
    getattr(stored(root, "1a"), part).rename(root / "elsewhere")
    assert stored(root, "1a") is None


def test_discarded(root, built):
    """A discarded copy is gone; discarding twice is no fault."""
    keep(root, "1a", *built, package_sha256=package_digest(built[0]))
    keep(root, "1b", *built, package_sha256=package_digest(built[0]))
    assert discard(root, "1a")
    assert not discard(root, "1a")
    assert stored(root, "1a") is None
    assert stored(root, "1b") is not None


def test_what_can_not_be_discarded(root):
    """A steward must hear that a copy is still there."""
    (root / "releases").mkdir()
    (root / "releases" / "1a").write_text("not a folder")
    with pytest.raises(OutputError, match="remove it yourself"):
        discard(root, "1a")
