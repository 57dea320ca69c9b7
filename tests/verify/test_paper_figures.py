import pytest

from verify.paper_figures import series


def test_the_points_of_a_series() -> None:
    tanh = series("off-manifold", "r=3")
    assert (tanh.scales[0], tanh.times[0], tanh.reading_error) == (0.01, 15.0, 0.08)
    assert len(tanh.scales) == 6
    assert list(tanh.scales) == sorted(tanh.scales)
    assert list(tanh.times) == sorted(tanh.times, reverse=True)


def test_an_unknown_series_names_those_that_there_are() -> None:
    with pytest.raises(KeyError, match="off-manifold r=8"):
        series("off-manifold", "r=4")
