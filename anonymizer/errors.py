"""What the privacy core refuses. Messages name a parameter and the next step, never a value."""


class CoreError(ValueError):
    """Base of every refusal of the privacy core."""


class HierarchyError(CoreError):
    """A generalization hierarchy is not a tree, or a value has no leaf in it."""


class NoRecodingError(CoreError):
    """No generalization keeps suppression within its limit under the requested models."""
