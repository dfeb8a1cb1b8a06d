"""What differential privacy costs, the slow and obvious way: written decimals and plain scans."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext


def units(written, places, *, up):
    """A written decimal in units of 10^-places, by moving its point."""
    with localcontext() as context:
        context.prec = 400
        unit = Decimal(1).scaleb(-places)
        rounded = Decimal(written).quantize(unit, ROUND_CEILING if up else ROUND_FLOOR)
        return int(rounded.scaleb(places))


def log_delta(rho, epsilon):
    """The logarithm of the least delta: a scan over alpha - 1, then finer ones around the best."""
    low, high = -60.0, 60.0
    for _ in range(12):
        step = (high - low) / 200
        grid = [low + step * i for i in range(201)]
        best = min(grid, key=lambda u: _bound(math.exp(u), rho, epsilon))
        low, high = best - 2 * step, best + 2 * step
    return _bound(math.exp(best), rho, epsilon)


def _bound(t, rho, epsilon):
    """Of exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)^alpha, at 1 + t."""
    return t * ((1 + t) * rho - epsilon) - math.log(t) - (1 + t) * math.log1p(1 / t)
