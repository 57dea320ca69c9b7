import math
from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric import escape_enclosure as module
from numeric.balanced_integral import certified_escape
from numeric.escape_enclosure import (
    chebyshev_to_powers,
    local_polynomials,
    spread,
    validate_solution,
    validated_escape,
    value_at,
)
from numeric.escape_rule import parse_escape_rule
from numeric.high_precision import collocation_solution, precise_escape
from numeric.manifold import ManifoldModel
from numeric.validated_field import TrapezoidRule, ValidatedField


def contains(enclosure, value):
    with flint.ctx.workprec(400):
        return bool(flint.arb(enclosure.lower) <= flint.arb(value) <= flint.arb(enclosure.upper))


def width(enclosure):
    """Relative."""
    with flint.ctx.workprec(400):
        lower, upper = flint.arb(enclosure.lower), flint.arb(enclosure.upper)
        return float((upper - lower) / upper)


GAINS = {"gains": [1.0, 0.5, 3.0], "mobilities": [1.0, 0.3, 0.25]}
CASES = [
    (ManifoldModel("tanh", 2), ["1e-3", "1e-3"], "scale:0.2@1", 10),
    (ManifoldModel("tanh", 3), ["1e-2"] * 3, "scale:0.3@1", 15),
    (ManifoldModel("tanh", 4), ["0.03", "0.05", "0.07", "0.09"], "scale:0.5@1", 8),
    (ManifoldModel("tanh", 4), ["1e-3", "1", "1e-3", "0.8"], "scale:0.1@3", 8),
    (ManifoldModel("erf", 3, **GAINS), ["0.01", "0.02", "0.03"], "scale:0.3@3", 8),
    (ManifoldModel("sin", 3), ["1e-3"] * 3, "scale:0.3@1", 10),
    (ManifoldModel("gelu", 3, 16, "plain", "tanh"), ["0.02", "-0.5", "-0.03"], "scale:0.3@1", 8),
    (ManifoldModel("silu", 3), ["1e-2"] * 3, "scale:0.3@1", 8),
    (ManifoldModel("snake", 2, 9), ["1e-2"] * 2, "scale:0.2@1", 6),
    (ManifoldModel("asinh", 3, beta=0.5), ["1e-2"] * 3, "scale:0.2@2", 6),
    (ManifoldModel("softplus", 2), ["0.1", "0.1"], "scale:0.11@1", 6),
    (ManifoldModel("tanh", 3), ["0.02", "-0.03", "-0.04"], "loss:0.5", 10),
    (ManifoldModel("gelu", 2, 5, "plain"), ["0.05", "0.02"], "loss:0.9", 8),
    (ManifoldModel("tanh", 4), ["1e-2", "1", "1e-2", "1.2"], "loss:0.7", 8),
]


@pytest.mark.parametrize(("model", "start", "rule", "digits"), CASES)
def test_contains_the_time_to_many_more_digits_and_is_as_narrow_as_asked(model, start, rule, digits):
    ours = validated_escape(model, start, rule, digits)
    precise = precise_escape(model, start, rule, digits + 12)
    assert contains(ours, precise.time)
    assert width(ours) < 10.0**-digits and ours.digits > digits
    assert 0.0 < ours.deviation < 10.0 ** (1 - digits)


@pytest.mark.parametrize("digits", [10, 20])
def test_linear_against_the_enclosure_of_an_integral(digits):
    model, start = ManifoldModel("linear", 3, [3, 5], "plain", "erf", 1.5), ["0.01", "0.02", "0.7"]
    ours, exact = (f(model, start, "scale:0.5@2", digits) for f in (validated_escape, certified_escape))
    assert contains(ours, exact.lower) and contains(ours, exact.upper)
    assert width(ours) < 10.0**-digits


def test_thirty_digits_of_a_nonlinear_net():
    ours = validated_escape(ManifoldModel("tanh", 2, 9), ["0.1", "0.1"], "scale:0.3@1", 30)
    precise = precise_escape(ManifoldModel("tanh", 2, 9), ["0.1", "0.1"], "scale:0.3@1", 40)
    assert contains(ours, precise.time) and ours.digits > 30


@settings(max_examples=10)
@given(
    name=st.sampled_from(["tanh", "erf", "gelu", "linear"]),
    start=st.lists(st.floats(0.01, 0.15), min_size=2, max_size=3),
    lead=st.integers(1, 2),
)
def test_any_start(name, start, lead):
    model = ManifoldModel(name, len(start), 4)
    rule = f"scale:0.25@{lead}"
    ours, precise = validated_escape(model, start, rule, 6), precise_escape(model, start, rule, 20)
    assert contains(ours, precise.time) and width(ours) < 1e-6


# --- rigour does not depend on the approximate solution ------------------------------------------------------------

MODEL, START, RULE = ManifoldModel("tanh", 3), ["0.05", "0.06", "0.07"], parse_escape_rule("scale:0.3@1", 3)


@pytest.fixture(scope="module")
def truth():
    return precise_escape(MODEL, START, RULE, 30).time


@pytest.fixture(scope="module")
def solution():
    return collocation_solution(MODEL, START, RULE, 18)


def perturbed(solution, size, term, which):
    def changed(piece):
        rows = [list(row) for row in piece.coefficients]
        rows[0][term] += flint.arb(size)
        return replace(piece, coefficients=tuple(tuple(c.mid() for c in row) for row in rows))

    pieces = solution.pieces
    return replace(solution, pieces=tuple(changed(p) if k in which else p for k, p in enumerate(pieces)))


def validated(bad):
    """The enclosure, or None when it is refused."""
    try:
        return validate_solution(MODEL, START, RULE, 6, bad)
    except ValueError:
        return None


@pytest.mark.parametrize("size", [1e-12, 1e-7, 1e-3, 0.3])
def test_a_wrong_solution_widens_the_enclosure_or_is_refused(solution, truth, size):
    everywhere = range(len(solution.pieces))
    wrong = [perturbed(solution, size, term, which) for term, which in [(0, everywhere), (1, {0}), (5, {0})]]
    results = [validated(bad) for bad in wrong]
    for ours in results:
        assert ours is None or contains(ours, truth)
        assert ours is None or ours.deviation > 0.1 * size
    if size == 1e-12:
        assert max(width(ours) for ours in results) < 1e-6
    elif size == 1e-7:
        assert min(width(ours) for ours in results) > 1e-9
    elif size == 0.3:
        assert results == [None] * 3


def test_pieces_cut_to_a_low_degree_still_give_an_enclosure(solution, truth):
    pieces = tuple(replace(p, coefficients=tuple(row[:9] for row in p.coefficients)) for p in solution.pieces)
    cut = replace(solution, pieces=pieces)
    ours = validate_solution(MODEL, START, RULE, 8, cut)
    assert contains(ours, truth) and width(ours) > 1e-8


def test_a_solution_of_another_start_is_covered_or_refused(truth):
    near = collocation_solution(MODEL, ["0.05", "0.0600001", "0.07"], RULE, 18)
    far = collocation_solution(MODEL, ["0.05", "0.09", "0.07"], RULE, 18)
    ours = validate_solution(MODEL, START, RULE, 8, near)
    assert contains(ours, truth) and ours.deviation > 1e-6
    with pytest.raises(ValueError, match="no tube around it"):
        validate_solution(MODEL, START, RULE, 8, far)


@pytest.mark.parametrize("shift", [0.0, 1e-7, 3e-5, 0.05])
def test_a_wrong_place_of_the_escape_widens_the_enclosure_or_is_refused(shift):
    rule = parse_escape_rule("loss:0.6", 3)
    found = collocation_solution(MODEL, START, rule, 18)
    moved = replace(found, end=(found.end + flint.arb(shift)).mid())
    if shift == 0.05:
        with pytest.raises(ValueError, match="cannot be told from its level"):
            validate_solution(MODEL, START, rule, 8, moved)
    else:
        ours = validate_solution(MODEL, START, rule, 8, moved)
        assert contains(ours, precise_escape(MODEL, START, rule, 20).time)
        assert shift / 200 < width(ours) < max(1e-8, 200 * shift)


# --- every part of the error is needed: a loose step is covered, and without its part the truth is lost --------------


def coarse(monkeypatch):
    rule = TrapezoidRule(Fraction(9, 20), 10, True, 1.2)
    monkeypatch.setattr(ValidatedField, "choose", lambda *_: rule)


def test_a_coarse_quadrature_is_covered(monkeypatch, solution, truth):
    coarse(monkeypatch)
    ours = validate_solution(MODEL, START, RULE, 8, solution)
    assert contains(ours, truth) and width(ours) > 1e-7


def test_without_the_bound_of_the_quadrature_the_truth_is_lost(monkeypatch, solution, truth):
    coarse(monkeypatch)
    monkeypatch.setattr(ValidatedField, "errors", lambda self, X, _: [flint.arb(0)] * len(X))
    assert not contains(validate_solution(MODEL, START, RULE, 8, solution), truth)


class LooseTaylor(module._March):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.order, self.tolerance = 5, 1e-5


def test_a_low_order_of_the_taylor_forms_is_covered(monkeypatch, solution, truth):
    monkeypatch.setattr(module, "_March", LooseTaylor)
    ours = validate_solution(MODEL, START, RULE, 8, solution)
    assert contains(ours, truth) and width(ours) > 1e-6


def test_without_the_bound_of_the_deviation_a_wrong_solution_loses_the_truth(monkeypatch, solution, truth):
    def blind(self, form, start, tube, cells):
        return flint.arb(0), flint.arb(0), flint.arb(0)

    monkeypatch.setattr(module._March, "_grow", blind)
    bad = perturbed(solution, 1e-5, 0, range(len(solution.pieces)))
    assert not contains(validate_solution(MODEL, START, RULE, 8, bad), truth)


# --- parts ---------------------------------------------------------------------------------------------------------


@given(coefficients=st.lists(st.fractions(-2, 2), min_size=1, max_size=9), x=st.fractions(-1, 1))
def test_powers_of_a_chebyshev_sum(coefficients, x):
    with flint.ctx.workprec(120):
        balls = [flint.arb(flint.fmpq(c.numerator, c.denominator)) for c in coefficients]
        at = flint.arb(flint.fmpq(x.numerator, x.denominator))
        direct = sum((c * at.chebyshev_t(k) for k, c in enumerate(balls)), flint.arb(0))
        assert value_at(chebyshev_to_powers(balls), at).overlaps(direct)


@given(
    coefficients=st.lists(st.floats(-2, 2), min_size=3, max_size=9),
    r=st.floats(0.01, 0.5),
    part=st.floats(-1, 1),
)
def test_spread_covers_the_taylor_coefficients_at_every_point(coefficients, r, part):
    balls = [flint.arb(c) for c in coefficients]
    covered = spread(balls, flint.arb(r))
    moved = flint.arb_poly(balls)(flint.arb_poly([flint.arb(r * part), 1]))
    assert all(a.overlaps(moved[k]) for k, a in enumerate(covered))
    assert all(float(a.rad()) < 300 for a in covered)


def test_local_polynomials_follow_the_piece(solution):
    piece = solution.pieces[0]
    center, s = piece.left + piece.half * flint.arb("0.5"), flint.arb("0.01")
    local = local_polynomials(piece, center.mid(), 25)
    x = ((center.mid() + s - piece.left) / piece.half - 1).mid()
    for row, chebyshev in zip(local, piece.coefficients, strict=True):
        direct = sum((c * x.chebyshev_t(k) for k, c in enumerate(chebyshev)), flint.arb(0))
        assert abs(value_at(row, s) - direct) < 1e-12


def test_the_context_is_left_alone():
    before = flint.ctx.prec, flint.ctx.cap
    validated_escape(ManifoldModel("linear", 2, 16), ["0.1", "0.1"], "scale:0.2@1", 5)
    with pytest.raises(ValueError, match="increase"):
        validated_escape(ManifoldModel("tanh", 2), ["0.1", "0.1"], "scale:5@1", 5)
    assert (flint.ctx.prec, flint.ctx.cap) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "overlap:0.5"}, "needs a rule of kind scale or loss"),
        ({"digits": 4}, "digits must lie between 5 and 40"),
        ({"start": [0.1, 0.1]}, "start needs 3 layer scales"),
        ({"start": [0.0, 0.1, 0.1]}, "start must be finite and not zero"),
        ({"start": [0.4, 0.1, 0.1]}, "below the level"),
        ({"model": ManifoldModel("relu", 3)}, "no bound on a strip is known for the activation 'relu'"),
        ({"model": ManifoldModel("tanh", 3, teacher="cubic")}, "no bound on a strip"),
        ({"start": [-0.1, 0.1, 0.1]}, "scale"),
        ({"rule": "scale:9@1"}, "scale"),
    ],
)
def test_hostile_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        validated_escape(
            **{
                "model": ManifoldModel("tanh", 3),
                "start": [0.1, 0.1, 0.1],
                "rule": "scale:0.3@1",
                "digits": 6,
                **arguments,
            }
        )


def test_pieces_that_do_not_follow_each_other(solution):
    with pytest.raises(ValueError, match="must follow each other"):
        validate_solution(MODEL, START, RULE, 8, replace(solution, pieces=(solution.pieces[0], *solution.pieces)))


def small_march(order):
    march = module._March(MODEL, [flint.arb(x) for x in START], 0, 8)
    march.order = order
    return march


@pytest.mark.parametrize("order", [3, 6])
def test_the_taylor_form_bounds_the_defect_and_the_time_on_its_interval(solution, order):
    piece = solution.pieces[0]
    with flint.ctx.workprec(150):
        march = small_march(order)
        march.rule = march._quadrature(piece, solution.pieces[1].left)
        left, right = flint.arb("0.395"), flint.arb("0.405")
        cap = flint.ctx.cap
        form = march._taylor_form(piece, left, right)
        defects, nodes = [], 40
        flint.ctx.cap = 1
        rates = []
        for k in range(nodes + 1):
            s = left + (right - left) * k / nodes
            logs = [value_at(row, s - form.center) for row in form.logs]
            f, inverse = march._slopes(s, [[y] for y in logs])
            rates.append(inverse[0])
            for row, g in zip(form.logs, f, strict=True):
                slope = value_at([j * c for j, c in enumerate(row)][1:], s - form.center)
                defects.append(abs(g[0] - slope))
        flint.ctx.cap = cap
        largest = max(float(d) for d in defects)
        assert largest <= float(form.defect) < 12 * largest
        # Simpson's rule on 40 parts of a smooth function errs by less than 1e-15 here
        weights = [1, *[4, 2] * (nodes // 2 - 1), 4, 1]
        simpson = sum((w * g for w, g in zip(weights, rates, strict=True)), flint.arb(0)) * (right - left) / (3 * nodes)
        assert abs(form.time.mid() - simpson) < form.time.rad() + 1e-15 * simpson
        assert float(form.time.rad()) > 1e-15 * float(simpson)


@pytest.mark.parametrize("growth", [-2.0, 0.0, 1.5])
def test_growth_over_the_cells_of_a_tube_against_the_formula(monkeypatch, growth):
    start, defect, field, inverse, change, stiffness = 1e-6, 3e-5, 2e-4, 7.0, 1e-3, 3.0
    with flint.ctx.workprec(80):
        march = small_march(6)
        cell = module._Cell(*(flint.arb(x) for x in (growth, field, inverse, change, stiffness)))
        monkeypatch.setattr(march, "_cell", lambda *_: cell)
        r = flint.arb("0.1")
        form = module._Form(flint.arb(1), r, (-r, r), [], flint.arb(defect), flint.arb(0), 0.0)
        bound, widest, error = march._grow(form, flint.arb(start), flint.arb("0.01"), 1)
        assert march._grow(form, flint.arb(start), flint.arb("1e-5"), 1) is None
    step, rises = 0.2, max(1.0, math.exp(0.2 * growth))
    assert float(bound) == pytest.approx(start * math.exp(growth * step) + (defect + field) * step * rises)
    assert float(widest) == pytest.approx((start + (defect + field) * step) * rises)
    assert float(error) == pytest.approx(step * inverse * (math.expm1(stiffness * float(widest)) + change))


def test_the_ball_of_the_loss_covers_the_deviation():
    with flint.ctx.workprec(100):
        march = small_march(6)
        march.bound = flint.arb("0.001")
        ball = march._loss()
    X = np.array([float(x) for x in START])
    for signs in ((1, 1), (1, -1), (-1, -1)):
        moved = X * np.exp(0.00099 * np.array([0.0, *signs]))
        assert ball.contains(flint.arb(float(MODEL.loss(moved))))
    assert float(ball.rad()) < 0.01 * float(ball.mid())


def test_a_cell_bounds_the_slopes_of_the_field(solution):
    piece, s = solution.pieces[-1], solution.end - flint.arb("0.2")  # where the layers act on each other
    with flint.ctx.workprec(100):
        march, cap = small_march(8), flint.ctx.cap
        march.rule = march._quadrature(piece, solution.end)
        form = march._taylor_form(piece, s - flint.arb("0.01"), s + flint.arb("0.01"))
        cell = march._cell(form, flint.arb(0, "1e-6"), flint.arb("1e-7"))
        flint.ctx.cap = cap
        centre = np.array([float(value_at(row, flint.arb(0))) for row in form.logs])
        lead = 0.05 * math.exp(float(form.center))

    def slopes(y):
        X = np.array([lead, *np.exp(y)])
        w = MODEL.rates(X) / X
        return np.array([*(w[1:] / w[0]), math.log(w[0])])

    h = 1e-5
    J = np.column_stack([(slopes(centre + h * e) - slopes(centre - h * e)) / (2 * h) for e in np.eye(2)])
    norm = max(J[m, m] + sum(abs(J[m, j]) for j in range(2) if j != m) for m in range(2))
    assert min(abs(J[0, 1]), abs(J[1, 0])) > 2e-3  # more than what the ball adds
    assert norm < float(cell.growth) < norm + 1e-3
    assert np.abs(J[2]).sum() < float(cell.stiffness) < np.abs(J[2]).sum() + 0.02
    assert math.exp(-slopes(centre)[2]) < float(cell.inverse) < 1.01 * math.exp(-slopes(centre)[2])
