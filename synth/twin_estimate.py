"""The fit itself: mbi's mirror descent, on the processor, in 64 bits."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from synth.factors import Factor
from synth.workload import states

_MOST_STEPS: Final = 1_000
_LEAST_STEPS: Final = 100
_WORK: Final = 100_000_000
"""Steps times states: a fit of the largest model takes about as long as that of a small one."""

_ENOUGH: Final = 1e-4
"""It ends early when fifty steps improve the loss by less, relatively."""


class TwinError(RuntimeError):
    """mbi is not installed."""


def estimated(
    columns: Sequence[tuple[str, ...]],
    counts: Sequence[NDArray[np.float64]],
    noise: Sequence[float],
    *,
    sizes: Mapping[str, int],
    total: float,
) -> tuple[Factor, ...]:
    """The factors of the model that fits best, by squared errors in units of their noise.

    Args:
        columns: of each table.
        counts: an axis for each column.
        noise: the standard deviation of each table's counts.
        sizes: column -> values.
        total: the number of records.

    Raises:
        TwinError: mbi is not installed.
    """
    used = {column for of in columns for column in of}
    domain_sizes = {column: size for column, size in sizes.items() if column in used}
    steps = min(max(_WORK // states(columns, domain_sizes), _LEAST_STEPS), _MOST_STEPS)
    with _mbi() as mbi:
        domain = mbi.Domain(tuple(domain_sizes), tuple(domain_sizes.values()))
        tables = [
            mbi.LinearMeasurement(table.reshape(-1), of, std)
            for of, table, std in zip(columns, counts, noise, strict=True)
        ]
        loss = mbi.marginal_loss.from_linear_measurements(tables, domain)
        loss = replace(loss, loss_fn=_compiled(loss.loss_fn))
        model = mbi.estimation.MirrorDescent().estimate(
            domain, loss, known_total=total, iters=steps, tol=_ENOUGH
        )
        return tuple(
            Factor(tuple(clique), np.array(model.potentials[clique].values, np.float64))
            for clique in model.potentials.cliques
        )


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled as a whole: one by one its steps take JAX a third of the time of a fit.

    The same one for the same function, for by it JAX knows what it has compiled before.
    """
    return cast("Callable[..., Any]", import_module("jax").jit(function))


@contextmanager
def _mbi() -> Iterator[ModuleType]:
    """mbi, as JAX has to be set for it; what others have set is as before afterwards."""
    try:
        import jax  # noqa: PLC0415 - slow, and of the extra
    except ImportError as error:
        raise TwinError(_MISSING) from error
    with jax.enable_x64(new_val=True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        try:
            with warnings.catch_warnings():
                # It warns of a cache that JAX does not use unless it is given a folder.
                warnings.simplefilter("ignore", UserWarning)
                mbi = import_module("mbi")
        except ImportError as error:
            raise TwinError(_MISSING) from error
        yield mbi


def demand_mbi() -> None:
    """Refuse what could not be fitted; to be asked before anything is paid for.

    Raises:
        TwinError: mbi, or JAX under it, is not installed, or mbi is older than version 2, which
            draws from joint distributions as if columns depended on each other.
    """
    with _mbi():
        if int(version("mbi").partition(".")[0]) < _LEAST_MBI:
            raise TwinError(_MISSING)


_LEAST_MBI: Final = 2
_MISSING: Final = "a twin is fitted with mbi 2: pip install 'kohort[twin]'"
