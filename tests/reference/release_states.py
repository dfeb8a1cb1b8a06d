"""What the events of a release make of it, read one after the other."""


def walked(events, *, researcher, public):
    """Whether it is served, whether it is live, and who has not confirmed destruction.

    Args:
        events: (kind, recipient or None), oldest first.
        researcher: who asked for it.
        public: whether anybody may have it.
    """
    published = withdrawn = failed = False
    has = {researcher: True}
    for kind, recipient in events:
        if kind == "published":
            published = True
        if kind in {"superseded", "recalled", "expired"}:
            withdrawn = True
        if kind == "failed":
            failed = True
        if kind == "shared" and recipient not in has:
            has[recipient] = True
    if public:
        has["public"] = True
    for kind, recipient in events:
        if kind == "destroyed" and recipient != "public":
            has[recipient] = False
    outstanding = {who for who, still in has.items() if still}
    if withdrawn:
        return False, len(outstanding) > 0, outstanding
    return published, published or not failed, outstanding
