"""Compiled kernels never outlive the code that they were made of."""

import os

import anonymizer
from pipelines.kernels import drop_stale_kernels
from pipelines.package.text import _percent


def test_kernels_older_than_any_source_are_removed(tmp_path, monkeypatch):
    """One was compiled before a file changed that it calls, one after."""
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, age in [
        ("__init__.py", 50),
        ("node.py", 20),
        ("__pycache__/search.old.nbi", 30),
        ("__pycache__/search.new.1.nbc", 10),
        ("__pycache__/search.pyc", 30),
    ]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_000 - age, 1_000 - age))
    monkeypatch.setattr(anonymizer, "__file__", str(tmp_path / "__init__.py"))
    drop_stale_kernels()
    assert {file.name for file in cache.iterdir()} == {"search.new.1.nbc", "search.pyc"}


def test_without_a_folder_nothing_happens(tmp_path, monkeypatch):
    """An installation that can't be listed is left alone."""
    monkeypatch.setattr(anonymizer, "__file__", str(tmp_path / "gone" / "__init__.py"))
    drop_stale_kernels()
    assert list(tmp_path.iterdir()) == []


def test_shares_are_told_as_they_are_written():
    """A third is not told as 33%, nor four in a thousand as none."""
    assert [_percent(share) for share in (0.334, 0.004, 0.05, 1.0)] == [
        "33.4%",
        "0.4%",
        "5%",
        "100%",
    ]
