"""The slow obvious twin of `pipelines.governance.identities`: who is one person, row by row."""


def ids_of(rows, learner_id):
    """Every id that a chain of rows links to this one, itself included."""
    ids = {learner_id}
    for _ in rows:
        for row in rows:
            linked = {one for one in row if one is not None}
            if ids & linked:
                ids |= linked
    return ids
