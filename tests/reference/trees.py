"""Random small hierarchies for property tests."""

from hypothesis import strategies as st

from anonymizer.hierarchy import Hierarchy


@st.composite
def trees(draw, name):
    """A hierarchy of 1 to 4 leaves and 1 to 3 levels above them, perhaps with a missing leaf."""
    width = draw(st.integers(1, 4))
    paths = [[f"{name}{leaf}"] for leaf in range(width)]
    groups = list(range(width))
    for level in range(1, draw(st.integers(1, 3))):
        merge = draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))
        groups = [merge[group] for group in groups]
        for path, group in zip(paths, groups, strict=True):
            path.append(f"{name}{level}.{group}")
    return Hierarchy.from_rows(name, paths, missing=draw(st.booleans()))
