"""Tests: a package, so that a library that installs one of this name does not stand before it."""
