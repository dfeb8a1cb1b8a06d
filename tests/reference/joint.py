"""A product of tables as one table of everything, and what follows from it."""

import numpy as np


def joint(factors, sizes):
    """Shares of every combination of all columns, by adding up its logarithms."""
    logs = np.zeros(tuple(sizes.values()))
    names = list(sizes)
    for place in np.ndindex(*logs.shape):
        for factor in factors:
            logs[place] += factor.logs[tuple(place[names.index(name)] for name in factor.columns)]
    shares = np.exp(logs - logs.max())
    return shares / shares.sum()


def margin(shares, sizes, columns):
    """Shares of the combinations of some columns, in their order."""
    names = list(sizes)
    letters = [chr(97 + place) for place in range(len(names))]
    kept = "".join(letters[names.index(column)] for column in columns)
    return np.einsum("".join(letters) + "->" + kept, shares)
