"""Compilation of the few loops over tuples that arrays can't express, by numba, cached on disk."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., object])


def jit(function: _F) -> _F:
    """Compile a function of numbers and arrays on its first call, and keep it for later processes.

    Where no folder can hold the cache (a read-only installation without a home), every process
    compiles anew.
    """
    try:
        return cast("_F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba: no locator available
        return cast("_F", numba.njit(nogil=True)(function))
