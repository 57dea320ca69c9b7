import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.rate import ACTIVATION, ALPHA, EXPECTATION, INPUT, TEACHER, bottleneck, effective_rate, layer_scales
from symbolic.reduced_gains import general_gains, named_gains, ntk_gains, plain_gains, symbolic_gains

WIDTH = sp.Symbol("N", positive=True)


@st.composite
def placements(draw, max_depth=6):
    depth = draw(st.integers(1, max_depth))
    small = draw(st.sets(st.integers(1, depth), min_size=1))
    return depth, tuple(sorted(small))


def formula_of_the_theory(depth, small, gains):
    """c^2 alpha^{L-i_1} prod_{m>=i_1} a_m prod_{m>i_1, not small} xi_m E[y g(u)], written out by hand."""
    xi = layer_scales(depth)
    first = small[0]
    g = INPUT
    for m in range(1, first):
        g = gains.gains[m - 1] * xi[m - 1] * g if m == 1 else gains.gains[m - 1] * xi[m - 1] * ACTIVATION(g)
    if first > 1:
        g = ACTIVATION(g)
    value = gains.mobility * ALPHA ** (depth - first) * EXPECTATION(TEACHER * g)
    for m in range(first, depth + 1):
        value *= gains.gains[m - 1] * (xi[m - 1] if m not in small else 1)
    return value


@settings(deadline=None, max_examples=12)
@given(placements())
def test_the_derivative_is_the_formula_of_the_theory(placement):
    depth, small = placement
    gains = symbolic_gains(depth)
    assert sp.simplify(effective_rate(depth, small).expression - formula_of_the_theory(depth, small, gains)) == 0


@pytest.mark.parametrize("depth,small", [(3, (1, 3)), (4, (2, 3, 4)), (4, (1, 2, 3, 4))])
def test_the_rate_against_plain_differentiation_of_an_explicit_chain(depth, small):
    """The slow reference: sin for s (alpha = 1), every derivative taken on the whole output, zeros set at the end."""
    xi = layer_scales(depth)
    scales = [sp.Symbol(f"X_{i}") if i in small else xi[i - 1] for i in range(1, depth + 1)]
    output = scales[0] * INPUT
    for scale in scales[1:]:
        output = scale * sp.sin(output)
    for i in small:
        output = sp.diff(output, scales[i - 1])
    output = output.subs({scales[i - 1]: 0 for i in small})
    rate = effective_rate(depth, small, gains=general_gains((1,) * depth, (1,) * (depth - 1)))
    derived = rate.coefficient.subs(ALPHA, 1) * rate.chain.replace(ACTIVATION, sp.sin)
    assert sp.simplify(output - derived) == 0


def test_all_layers_small_in_the_two_named_parameterisations():
    alignment = EXPECTATION(INPUT * TEACHER)
    ntk = effective_rate(4, gains=named_gains("ntk", 4, WIDTH)).expression
    plain = effective_rate(4, gains=named_gains("plain", 4, WIDTH)).expression
    assert sp.simplify(ntk - ALPHA**3 * alignment / sp.sqrt(WIDTH)) == 0
    assert sp.simplify(plain - ALPHA**3 * alignment) == 0


def test_ntk_is_plain_with_gains_in_the_rescaled_coordinate():
    """F_l = sqrt(N) X_l on every layer turns the gains g = (1, N^{-1/2}, ...) into the ntk chain and mobility 1/N."""
    depth = 4
    g = (1, *[1 / sp.sqrt(WIDTH)] * (depth - 1))
    in_norms = general_gains(g, (WIDTH,) * (depth - 1))
    ntk = ntk_gains(depth, WIDTH)
    assert [sp.simplify(a * sp.sqrt(WIDTH) - b) for a, b in zip(in_norms.gains, ntk.gains, strict=True)] == [0] * depth
    assert sp.simplify(in_norms.mobility / WIDTH - ntk.mobility) == 0


def test_the_product_of_plain_gains_is_one_for_uneven_widths():
    assert sp.prod(general_gains((1, 1, 1, 1), (3, 7, 5)).gains) == 1
    assert plain_gains(1, 64).gains == (1,)


def test_given_scales_are_used_only_outside_the_bottleneck():
    rate = effective_rate(3, (1, 3), gains=plain_gains(3, 4), scales=(99, sp.Rational(1, 2), 99))
    assert rate.expression == ALPHA**2 * EXPECTATION(INPUT * TEACHER) / 2


def test_bottleneck_spellings():
    assert bottleneck(3) == (1, 2, 3)
    assert bottleneck(4, 2) == (1, 2)
    assert bottleneck(4, [4, 2]) == (2, 4)


@pytest.mark.parametrize(
    "depth,small", [(3, []), (3, [0]), (3, [4]), (3, [1, 1]), (0, None), (3, 5), (3, ["1"]), (2, 0)]
)
def test_bad_bottlenecks_are_refused(depth, small):
    with pytest.raises(ValueError, match="got"):
        bottleneck(depth, small)


def test_bad_lengths_and_names_are_refused():
    with pytest.raises(ValueError, match="3 gains"):
        effective_rate(3, gains=plain_gains(2, 4))
    with pytest.raises(ValueError, match="'ntk' or 'plain'"):
        named_gains("mup", 3, 4)
    with pytest.raises(ValueError, match="hidden widths"):
        general_gains((1, 1), ())
    with pytest.raises(ValueError, match="width"):
        plain_gains(2, -3)


def test_scales_of_one_are_no_special_case() -> None:
    """Two O(1) layers at scale 1 after the bottleneck: s(s(.)) with no factor between, which SymPy stumbles over."""
    xi = sp.Rational(7, 5)
    general = effective_rate(4, (1, 2), ntk_gains(4, 64), (1, 1, xi, xi))
    at_one = effective_rate(4, (1, 2), ntk_gains(4, 64), (1, 1, 1, 1))
    assert sp.simplify(general.coefficient - xi**2 * at_one.coefficient) == 0
