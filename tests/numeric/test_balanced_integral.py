import flint
import numpy as np
import pytest

from numeric.balanced_integral import _MOMENTS, certified_escape
from numeric.high_precision import precise_escape
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import manifold_escape


def inside(enclosure, value):
    with flint.ctx.workprec(400):
        return bool(flint.arb(enclosure.lower) <= value) and bool(value <= flint.arb(enclosure.upper))


@pytest.mark.parametrize("digits", [20, 60])
def test_encloses_the_logistic_closed_form_and_is_narrow(digits):
    ours = certified_escape(ManifoldModel("linear", 2, 16), ["1e-3", "1e-3"], "scale:0.4@1", digits)
    with flint.ctx.workprec(400):
        q = [flint.arb("1e-6"), flint.arb("0.16")]
        logit = [(x / (1 - 4 * x)).log() for x in q]
        exact = 2 * (logit[1] - logit[0])
        assert inside(ours, exact)
        assert not inside(ours, exact * (1 + flint.arb(10) ** -digits))
        width = flint.arb(ours.upper) - flint.arb(ours.lower)
        assert float((width / exact).mid()) < 10.0**-digits
    assert ours.digits > digits


@pytest.mark.parametrize(
    ("model", "start", "rule"),
    [
        (ManifoldModel("linear", 4, 64), ["1e-6"] * 4, "scale:0.3@1"),
        (ManifoldModel("linear", 3, [3, 5], "plain", "erf", 1.5), ["0.01", "0.02", "0.7"], "scale:0.5@2"),
        (ManifoldModel("linear", 2, gains=[2.0, 1.0], mobilities=[0.5, 2.0]), ["0.1", "0.2"], "scale:0.4@1"),
    ],
)
def test_the_collocation_lies_within_its_own_error_of_the_enclosure(model, start, rule):
    certified, precise = certified_escape(model, start, rule, 30), precise_escape(model, start, rule, 20)
    with flint.ctx.workprec(300):
        middle = (flint.arb(certified.lower) + flint.arb(certified.upper)) / 2
        error = abs(flint.arb(precise.time) - middle)
        assert error < flint.arb(precise.error) + middle * flint.arb(10) ** -20
    assert precise.digits > 18
    double = manifold_escape(model, [float(x) for x in start], rule, rtol=1e-12, estimate_error=False)
    assert double.times[0] == pytest.approx(float(certified.lower), rel=1e-11)


@pytest.mark.parametrize("name", sorted(_MOMENTS))
def test_first_moments_against_quadrature(name):
    model = ManifoldModel("linear", 2, teacher=name)
    u = model.rule.nodes
    measured = float(np.sum(model.rule.weights * u * model.teacher.value(u)))
    assert float(_MOMENTS[name]()) == pytest.approx(measured, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": ManifoldModel("tanh", 2)}, "needs the linear activation"),
        ({"model": ManifoldModel("linear", 2, teacher="tanh")}, "needs the linear activation and a teacher among"),
        ({"rule": "loss:0.5"}, "needs a rule of kind scale"),
        ({"start": [0.1]}, "expected 2 layer scales"),
        ({"start": [-0.1, 0.1]}, "start must be positive"),
        ({"start": [0.9, 0.1]}, "below the level"),
        ({"digits": 1}, "5 to 1000 digits"),
        ({"rule": "scale:3@1"}, "never reaches it"),
    ],
)
def test_hostile_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        certified_escape(
            **{"model": ManifoldModel("linear", 2), "start": [0.1, 0.1], "rule": "scale:0.3@1", **arguments}
        )
