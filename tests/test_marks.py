"""Every test has a mark, so that `-m unit` and its like choose all they should."""

import pytest


def test_a_test_without_a_mark_is_a_unit_test(request):
    assert request.node.get_closest_marker("unit")


@pytest.mark.integration
def test_another_is_not(request):
    assert not request.node.get_closest_marker("unit")
