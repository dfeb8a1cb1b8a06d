"""How often noise on whole numbers is large, by summing up its probabilities with 50 digits."""

from decimal import Decimal, localcontext


def tails(kind, scale, most):
    """P(noise >= t) for t = 0, 1, ..., most."""
    with localcontext() as context:
        context.prec = 50
        width = Decimal(scale.numerator) / Decimal(scale.denominator)
        weights = []
        while not weights or weights[-1] > Decimal("1e-45") or len(weights) <= most:
            far = Decimal(len(weights)) / width
            weights.append((-far if kind == "laplace" else -far * far / 2).exp())
        beyond = [Decimal(0)]
        for weight in reversed(weights):
            beyond.append(beyond[-1] + weight)
        beyond.reverse()
        everything = 2 * beyond[0] - weights[0]
        return [x / everything for x in beyond[: most + 1]]
