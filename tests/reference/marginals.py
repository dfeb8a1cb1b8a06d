"""Marginals by a dictionary, record by record."""

from itertools import product


def counted(records, sizes, columns):
    """Records of each combination in C order; `records` is a list of dictionaries."""
    cells = dict.fromkeys(product(*(range(sizes[column]) for column in columns)), 0)
    for record in records:
        cells[tuple(record[column] for column in columns)] += 1
    return list(cells.values())
