import flint
import numpy as np
import pytest

from numeric.chebyshev import antiderivative, chebyshev_grid, column, series_value


def test_polynomials_are_integrated_exactly():
    with flint.ctx.workprec(120):
        grid = chebyshev_grid(9, 120)
        for power in range(9):
            integral = grid.integration * column([x**power for x in grid.nodes])
            for i, x in enumerate(grid.nodes):
                exact = (x ** (power + 1) - flint.arb(-1) ** (power + 1)) / (power + 1)
                assert integral[i, 0].overlaps(exact) and float(integral[i, 0].rad()) < 1e-30


def test_coefficients_of_the_exponential_are_bessel_functions():
    with flint.ctx.workprec(150):
        grid = chebyshev_grid(40, 150)
        c = grid.coefficients * column([x.exp() for x in grid.nodes])
        for k in (0, 1, 5):
            exact = flint.arb(1).bessel_i(flint.arb(k)) * (1 if k == 0 else 2)
            assert abs(float((c[k, 0] - exact).mid())) < 1e-40


def test_nodes_increase_from_end_to_end_and_the_floating_matrix_is_the_same():
    grid = chebyshev_grid(12, 100)
    nodes = np.array([float(x) for x in grid.nodes])
    assert nodes[0] == -1.0 and nodes[-1] == 1.0 and (np.diff(nodes) > 0).all()
    np.testing.assert_allclose(grid.floating_integration @ np.cos(nodes), np.sin(nodes) + np.sin(1.0), atol=1e-12)


def test_small_degrees_are_refused():
    with pytest.raises(ValueError, match="must be at least 2"):
        chebyshev_grid(1, 64)


def test_series_are_evaluated_and_integrated_within_and_beyond_the_interval():
    with flint.ctx.workprec(150):
        grid = chebyshev_grid(40, 150)
        c = grid.coefficients * column([x.exp() for x in grid.nodes])
        series = [c[k, 0] for k in range(41)]
        integral = antiderivative(series)
        for x in (flint.arb("-0.3"), flint.arb("0.7"), flint.arb("1.001")):
            assert abs(float((series_value(series, x) - x.exp()).mid())) < 1e-40
            gained = series_value(integral, x) - series_value(integral, flint.arb(-1))
            assert abs(float((gained - x.exp() + flint.arb(-1).exp()).mid())) < 1e-40
        assert series_value([flint.arb(3)], flint.arb(2)) == 3 and len(antiderivative([flint.arb(3)])) == 2
