import mpmath
import numpy as np
import pytest

from numeric.cancellation_free import departure_factors
from numeric.scalar_activations import CATALOGUE

USABLE = sorted(n for n, s in CATALOGUE.items() if not s.kinks and s.alpha > 0 and float(s.value(np.zeros(()))) == 0.0)
REFERENCES = {
    "tanh": lambda c, z: c.tanh(z),
    "sin": lambda c, z: c.sin(z),
    "erf": lambda c, z: c.erf(z),
    "gelu": lambda c, z: z * c.ncdf(z),
    "silu": lambda c, z: z / (1 + c.exp(-z)),
}


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_full_relative_precision_at_every_scale(name):
    context = mpmath.mp.clone()
    context.dps = 120
    z = np.array([1e-30, -1e-12, 1e-5, 0.01, 0.39, 0.41, -1.3, 3.0])
    psi, chi = departure_factors(CATALOGUE[name])(z)
    slope = context.diff(lambda x: REFERENCES[name](context, x), 0)
    for k, point in enumerate(z):
        x = context.mpf(float(point))
        exact = REFERENCES[name](context, x) / (slope * x) - 1
        step = context.mpf(10) ** -40 * abs(x)
        derivative = (REFERENCES[name](context, x + step) - REFERENCES[name](context, x - step)) / (2 * step)
        # beyond the series the subtraction of one costs the digits that psi has less than one: a factor 30 at .4
        assert psi[k] == pytest.approx(float(exact), rel=3e-14)
        assert chi[k] == pytest.approx(float(derivative / slope - 1), rel=3e-14)


@pytest.mark.parametrize("name", USABLE)
def test_series_and_subtraction_meet(name):
    factors = departure_factors(CATALOGUE[name])
    for edge in (0.4, -0.4):
        z = edge + np.array([-1e-9, 1e-9])
        psi, chi = factors(z)
        # the functions change by at most about 3 per unit of z
        assert np.ptp(psi) < 1e-8 and np.ptp(chi) < 1e-8
    assert not np.any(np.isnan(np.concatenate(factors(np.linspace(-9, 9, 101)))))


def test_refusals():
    for name in ("relu", "sigmoid", "cos", "hardtanh", "softplus"):
        with pytest.raises(ValueError, match=f"which {name} does not satisfy"):
            departure_factors(CATALOGUE[name])
