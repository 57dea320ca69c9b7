import numpy as np
import pytest
from scipy.integrate import DOP853

from numeric.tableaux import tableau


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    pair = tableau(name)
    size = pair.stages + len(pair.extra)
    a = np.zeros((size, size))
    for row, values in enumerate(pair.a, start=1):
        a[row, : len(values)] = values
    for row, values in enumerate(pair.extra, start=pair.stages):
        a[row, : len(values)] = values
    return a, np.asarray(pair.dense)


@pytest.mark.parametrize("name", ["tsit5", "dop853"])
@pytest.mark.parametrize("theta", [0.25, 0.6, 1.0])
def test_dense_output_satisfies_its_order_conditions(name: str, theta: float) -> None:
    pair = tableau(name)
    a, dense = arrays(name)
    c = a.sum(1)
    order = pair.dense_order
    b = dense @ np.array([theta ** (j + 1) for j in range(dense.shape[1])])
    for k in range(order):
        assert b @ c**k == pytest.approx(theta ** (k + 1) / (k + 1), abs=1e-12)
    assert b @ a @ c == pytest.approx(theta**3 / 6, abs=1e-12)
    assert b @ a @ a @ c == pytest.approx(theta**4 / 24, abs=1e-12)
    assert b @ (c * (a @ c)) == pytest.approx(theta**4 / 8, abs=1e-12)


@pytest.mark.parametrize("name", ["tsit5", "dop853"])
def test_solution_and_error_weights(name: str) -> None:
    pair = tableau(name)
    a, dense = arrays(name)
    c = a.sum(1)[: pair.stages]
    b = np.append(pair.a[-1], 0.0)
    for k in range(pair.order):
        assert b @ c**k == pytest.approx(1 / (k + 1), abs=1e-12)
    np.testing.assert_allclose(dense.sum(1)[: pair.stages], b, atol=1e-12)  # the interpolant ends at the solution
    for weights, order in zip(pair.error, (pair.error_order if name == "tsit5" else 5, 3), strict=False):
        for k in range(order):
            assert np.dot(weights, c**k) == pytest.approx(0.0, abs=1e-12)
        assert abs(np.dot(weights, c**order)) > 1e-5


def test_dop853_nodes_are_scipy_s() -> None:
    a, _ = arrays("dop853")
    np.testing.assert_allclose(a.sum(1)[:12], DOP853.C[:12], atol=1e-12)


def test_unknown_method() -> None:
    with pytest.raises(ValueError, match="expected 'tsit5' or 'dop853'"):
        tableau("euler")
