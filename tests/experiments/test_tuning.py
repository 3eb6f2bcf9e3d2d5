"""Settings climb to the best value, all together, whatever fails on the way."""

from helpers.experiments import tuning

VALUES = (0.01, 0.1, 1, 10, 100)


class Scores:
    """A record that knows what is measured: accuracies by plan and value."""

    def __init__(self, **accuracies):
        self.accuracies, self.measured = accuracies, []

    def best(self, name, settings):
        plan = settings["strategy"]
        scores = {
            v: self.accuracies[plan].get(v) for p, v in self.measured if p == plan
        }
        known = {value: score for value, score in scores.items() if score is not None}
        return max(known, key=known.get, default=None)

    def climb(self, first):
        plans = [(print, {"strategy": p}, "C", VALUES, first) for p in self.accuracies]
        for function, settings in tuning.climbed(self, plans):
            assert function is print
            assert (settings["split"], settings["seed"]) == ("validation", 0)
            self.measured.append((settings["strategy"], settings["C"]))
        return self.measured


def test_all_plans_take_a_step_before_one_takes_the_next():
    scores = Scores(a={0.1: 3, 1: 2, 10: 1}, b={0.1: 1, 1: 2, 10: 3, 100: 4})
    first = [(plan, value) for plan in "ab" for value in (0.1, 1, 10)]
    assert scores.climb(1) == [*first, ("a", 0.01), ("b", 100)]


def test_a_value_at_the_end_has_one_neighbour():
    assert Scores(a={0.01: 2, 0.1: 1}).climb(0.01) == [("a", 0.01), ("a", 0.1)]


def test_a_plan_whose_runs_all_failed_ends():
    assert Scores(a={}).climb(1) == [("a", 0.1), ("a", 1), ("a", 10)]


def test_a_failed_neighbour_does_not_win():
    assert Scores(a={0.1: 1, 1: 2}).climb(1) == [("a", 0.1), ("a", 1), ("a", 10)]
