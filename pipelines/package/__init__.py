"""Packages: the tables of a release, and everything a stranger needs to understand them."""

from pipelines.package.describe import Described, describe
from pipelines.package.write import write_package

__all__ = ["Described", "describe", "write_package"]
