"""The privacy core: pure functions over polars frames and numpy arrays."""
