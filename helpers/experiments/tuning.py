"""Choose settings on validation, with equal effort for all that will be compared."""


def tuned(record, function, settings, setting: str, values, seeds, trials=(0,)):
    """Yield runs that choose a setting on validation, then those that test with it.

    The former have the seeds `trials`; where all of them failed there is no test.
    Without `seeds` nothing is chosen, so nothing waits for what is being measured.
    """
    for value in values:
        for seed in trials:
            one = {"split": "validation", "seed": seed, setting: value}
            yield function, settings | one
    best = record.best(setting, settings) if seeds else None
    for seed in seeds if best is not None else ():
        yield function, settings | {"split": "test", "seed": seed, setting: best}


def climbed(record, plans: list[tuple]):
    """Yield runs that compare values with their two neighbours on validation.

    A plan is a function, its settings, the name of what is chosen, its values in order,
    and the one to begin with. As long as a neighbour wins its own neighbour is tried;
    all plans go on together, so that none waits for another.
    """
    tried = [[] for _ in plans]
    while True:
        near = []
        for (_, settings, name, values, first), seen in zip(plans, tried, strict=True):
            best = record.best(name, settings) if seen else first
            place = 0 if best is None else values.index(best)
            some = () if best is None else values[max(place - 1, 0) : place + 2]
            near.append([value for value in some if value not in seen])
        if not any(near):
            return
        for (function, settings, name, *_), some, seen in zip(
            plans, near, tried, strict=True
        ):
            yield from tuned(record, function, settings, name, some, [])
            seen += some
