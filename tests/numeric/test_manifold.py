import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.manifold import ManifoldModel
from numeric.scalar_activations import CATALOGUE

SMOOTH = sorted(name for name, s in CATALOGUE.items() if not s.kinks)
KINK_AT_ZERO = sorted(name for name, s in CATALOGUE.items() if s.kinks == (0.0,))
# sinh(sinh(g)) has no expectation: sinh is tested at depth 2 only
NAMES = sorted({*SMOOTH, *KINK_AT_ZERO} - {"sinh"})
scales = st.floats(0.05, 0.9) | st.floats(-0.9, -0.05)


@st.composite
def models(draw):
    depth = draw(st.integers(2, 5))
    name, teacher = draw(st.sampled_from(NAMES)), draw(st.sampled_from([*NAMES, "sinh"]))
    width = draw(st.integers(1, 64) | st.lists(st.integers(1, 9), min_size=depth - 1, max_size=depth - 1))
    model = ManifoldModel(name, depth, width, draw(st.sampled_from(["ntk", "plain"])), teacher, draw(st.floats(-2, 2)))
    return model, np.array(draw(st.lists(scales, min_size=depth, max_size=depth)))


@given(models())
@settings(max_examples=40, deadline=None)
def test_rates_are_minus_mobility_times_the_gradient_of_the_loss(case):
    model, X = case

    def differences(h: float) -> np.ndarray:
        loss = [model.loss(X + k * h * np.eye(model.depth)) for k in (-2, -1, 1, 2)]
        return (loss[0] - 8 * loss[1] + 8 * loss[2] - loss[3]) / (12 * h)

    gradient = differences(5e-5)
    scale = 1.0 + np.abs(gradient).max() + model.loss(X)
    # Fourth-order differences: 1e-16 of the loss per step, and the fifth derivative times the step's fourth power. The
    # latter is not small for a cubic of a cubic of a cubic; between steps 2h and h it changes by 15 times what is left.
    truncation = np.abs(differences(1e-4) - gradient).max()
    np.testing.assert_allclose(
        model.rates(X) / model.mobilities / scale, -gradient / scale, atol=4e-10 + truncation / scale
    )


@given(models())
@settings(max_examples=40, deadline=None)
def test_loss_never_increases_and_observables_have_the_rates_they_state(case):
    model, X = case
    rates, loss, loss_rate = model.evaluate(X[None], "loss")
    assert loss_rate[0] <= 0.0
    assert loss[0] == pytest.approx(float(model.loss(X)), rel=1e-12)
    # dLoss/dt = - sum of rate^2 / mobility
    assert loss_rate[0] == pytest.approx(-float((rates[0] ** 2 / model.mobilities).sum()), rel=1e-9, abs=1e-300)
    if abs(model.beta) < 1e-3 or model.teacher.alpha == 0.0:
        return
    _, overlap, overlap_rate = model.evaluate(X[None], "overlap")
    assert overlap[0] == pytest.approx(float(model.overlap(X)), rel=1e-9, abs=1e-12)
    speed = np.abs(rates).max()
    if speed > 0.0:
        h = 1e-4 / speed
        ahead, behind = model.overlap(X + h * rates[0]), model.overlap(X - h * rates[0])
        far_ahead, far_behind = model.overlap(X + 2 * h * rates[0]), model.overlap(X - 2 * h * rates[0])
        difference = float(8 * (ahead - behind) - (far_ahead - far_behind)) / (12 * h)
        scale = (1.0 + abs(overlap[0]) + 1.0 / abs(model.beta)) / h
        assert overlap_rate[0] / scale == pytest.approx(difference / scale, abs=1e-12)


def full_network(model, X, inputs):
    """Forward pass of constant matrices of the model's widths, written out literally."""
    n = [1, *model.widths, 1]
    h = inputs[:, None]
    for layer in range(model.depth):
        rows, columns = n[layer + 1], n[layer]
        if model.parameterisation == "plain":
            gain, norm = 1.0, X[layer]
        else:
            gain = 1.0 if layer == 0 else 1.0 / math.sqrt(columns)
            norm = X[layer] * math.sqrt(rows if layer < model.depth - 1 else columns)
        W = np.full((rows, columns), norm / math.sqrt(rows * columns))
        z = gain * h @ W.T
        h = model.activation.value(z)
    return z[:, 0]


@pytest.mark.parametrize("parameterisation", ["plain", "ntk"])
@pytest.mark.parametrize("width", [1, 7, [3, 5, 2]])
def test_output_is_that_of_the_constant_matrices(parameterisation, width):
    model = ManifoldModel("gelu", 4, width, parameterisation)
    X = np.array([0.3, -0.5, 0.7, 0.9])
    np.testing.assert_allclose(model.output(X), full_network(model, X, model.rule.nodes), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("parameterisation", ["plain", "ntk"])
def test_linear_network_in_closed_form(parameterisation):
    N, beta = 10, 1.7
    model = ManifoldModel("linear", 3, N, parameterisation, beta=beta)
    X = np.array([0.2, 0.3, 0.5])
    gain = math.sqrt(N) if parameterisation == "ntk" else 1.0
    mobility = 1.0 / N if parameterisation == "ntk" else 1.0
    product = gain * X.prod()
    assert model.loss(X) == pytest.approx(0.5 * (product - beta) ** 2, rel=1e-13)
    np.testing.assert_allclose(model.rates(X), mobility * (beta - product) * product / X, rtol=1e-13)
    assert model.overlap(X) == pytest.approx(product / beta, rel=1e-13)


@pytest.mark.parametrize("name", SMOOTH + KINK_AT_ZERO)
def test_quadrature_refinement_changes_nothing(name):
    X = np.array([0.8, 0.5, 0.6])
    depth = 2 if name == "sinh" else 3  # as above
    for teacher in (None, "tanh"):
        model = ManifoldModel(name, depth, 4, "plain", teacher)
        # poles at distance 1/.8 or more cost e^{-39}
        np.testing.assert_allclose(model.rates(X[:depth]), model.refined().rates(X[:depth]), rtol=1e-12, atol=1e-14)


def test_rates_are_vectorised_over_leading_axes():
    model = ManifoldModel("silu", 3)
    X = np.random.default_rng(1).uniform(0.1, 0.9, size=(2, 5, 3))
    rates, loss, overlap = model.rates(X), model.loss(X), model.overlap(X)
    assert rates.shape == (2, 5, 3) and loss.shape == overlap.shape == (2, 5)
    for index in np.ndindex(2, 5):
        assert np.array_equal(model.rates(X[index]), rates[index])
        assert float(model.loss(X[index])) == pytest.approx(loss[index], rel=1e-14)


def test_general_gains_and_mobilities_translate_the_parameterisations():
    # F_l = sqrt(N) X_l maps ntk onto plain: same outputs, mobilities by the square of the factor
    N, X = 16, np.array([0.3, 0.4, 0.5])
    ntk = ManifoldModel("tanh", 3, N, "ntk")
    plain = ManifoldModel("tanh", 3, N, gains=ntk.gains / math.sqrt(N), mobilities=np.ones(3))
    np.testing.assert_allclose(plain.rates(X * math.sqrt(N)) / math.sqrt(N), ntk.rates(X), rtol=1e-13)


def test_odd_models_use_half_the_nodes_and_agree_with_the_full_rule():
    from numeric.gaussian import trapezoid_rule

    half, full = ManifoldModel("tanh", 3), ManifoldModel("tanh", 3, rule=trapezoid_rule())
    assert 2 * half.rule.nodes.size == full.rule.nodes.size + 1
    X = np.array([0.1, 0.7, 0.4])
    np.testing.assert_allclose(half.rates(X), full.rates(X), rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "tahn"}, "unknown activation 'tahn'"),
        ({"teacher": "tahn"}, "unknown activation 'tahn'"),
        ({"depth": 1}, "depth must be an integer of at least 2"),
        ({"depth": 2.5}, "depth must be an integer of at least 2"),
        ({"width": 0}, "width must be one integer >= 1 or the 2 hidden widths"),
        ({"width": [3]}, "width must be one integer >= 1 or the 2 hidden widths"),
        ({"width": 2.5}, "width must be one integer >= 1 or the 2 hidden widths"),
        ({"parameterisation": "mup"}, "unknown parameterisation 'mup': choose ntk or plain"),
        ({"beta": math.nan}, "beta, the amplitude of the teacher, must be finite"),
        ({"gains": [1.0]}, "gains must hold 3 finite numbers"),
        ({"gains": [1.0, math.inf, 1.0]}, "gains must hold 3 finite numbers"),
        ({"mobilities": [1.0, 0.0, 1.0]}, "mobilities must be positive"),
    ],
)
def test_hostile_arguments_get_one_clear_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        ManifoldModel(**{"activation": "tanh", "depth": 3, **arguments})


def test_scales_of_wrong_shape():
    with pytest.raises(ValueError, match="layer scales need 3 entries"):
        ManifoldModel("tanh", 3).rates([0.1, 0.2])
