"""Two witnesses read one tree: SymPy at 30 digits and torch in float64 give the same s and s' for random activations.

The plain floats of `verify.expression_float` are a third opinion on s, and on the symbolic witness's elementary form.
"""

import math
import random
from typing import Any

import pytest
import sympy
import torch

import numeric
import symbolic
from verify.expression import ExpressionError, Tree, parse, to_text
from verify.expression_float import tree_value
from verify.expression_tree import FUNCTIONS

POINTS = (-2.7182, -0.9183, -0.2071, 0.1234, 0.6319, 1.4143, 2.6458)  # no kink of a rational expression lies there
LARGEST = 1e3  # beyond it a tree is too steep for float64 to tell a mistake from rounding


def magnitude(tree: Tree, z: float) -> float:
    """The largest modulus of any part of the tree at z; inf where a part is undefined."""
    here = abs(tree_value(tree, z)) if tree[0] not in ("less", "less_equal", "true") else 0.0
    parts = [part for part in tree if isinstance(part, tuple)]
    if tree[0] == "piecewise":
        parts = [side for pair in tree[1:] for side in (*pair[0][1:], pair[1])]
    below = [magnitude(part, z) for part in parts]
    values = [here, *below]
    return max(values) if all(map(math.isfinite, values)) else math.inf


def agree(text: str, parameters: dict[str, str] | None = None) -> int:
    """Compare at all points where the activation is defined and tame; the number of them."""
    tree = parse(text, parameters)
    exact = symbolic.activation_from_tree(tree, text)
    slope = sympy.diff(exact.expression, exact.symbol)
    measured = numeric.activation_from_tree(tree, text)
    compared = 0
    for z in POINTS:
        size = magnitude(tree, z)
        if not size < LARGEST:
            continue
        point = torch.tensor([z], dtype=torch.float64)
        ours, ours_slope = float(measured.value(point)), float(measured.derivative(point))
        theirs, theirs_slope = at(exact.expression, exact.symbol, z), at(slope, exact.symbol, z)
        # Each part is rounded at 1e-16 of its size; a denominator near 0 amplifies it by as much again, twice for s'.
        rounding = 1e-14 * (1.0 + size) ** 2
        assert ours == pytest.approx(theirs, abs=rounding, rel=1e-12), (text, z)
        assert ours_slope == pytest.approx(theirs_slope, abs=100 * rounding, rel=1e-10), (text, z)
        assert tree_value(tree, z) == pytest.approx(theirs, abs=rounding, rel=1e-12), (text, z)
        assert tree_value(exact.elementary, z) == pytest.approx(theirs, abs=100 * rounding, rel=1e-10), (text, z)
        compared += 1
    return compared


def at(expression: Any, symbol: Any, z: float) -> float:
    """The value at z by SymPy at 30 digits; derivatives of sign and Heaviside vanish away from their jumps."""
    value = expression.subs(symbol, sympy.Rational(str(z))).replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))
    return float(sympy.N(value.doit(), 30))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function(name: str) -> None:
    inner = {"acosh": "cosh(z) + 1", "asin": "tanh(z)", "acos": "tanh(z)", "atanh": "tanh(z)/2"}.get(
        name, "1 + z**2" if name in ("log", "sqrt") else "z"
    )
    second = "" if FUNCTIONS[name][0] == 1 else ", 3/4"
    assert agree(f"{name}({inner}{second})") == len(POINTS)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("z**3 - z/7 + 2", {}),
        ("(1 + z**2)**(-3/2)", {}),
        ("(1 + z**2)**(z/3)", {}),
        ("2**z - e**(-z)/pi", {}),
        ("z + sin(a*z)**2/a", {"a": "sqrt(2)"}),
        ("Piecewise((a*(exp(z) - 1), z < 0), (z, True))", {"a": "1/3"}),
        ("Piecewise((-1, z <= -1), (1, 1 <= z), (z, True))", {}),
        ("max(z, -z/10, z**3)", {}),
        ("tanh(z)*erf(z)/(1 + abs(z)) + 1/(2 + cos(z))", {}),
        ("gelu(2*z) - silu(z)*mish(-z)", {}),
        ("sign(z)*heaviside(z + 1/2)*z", {}),
    ],
)
def test_expressions(text: str, parameters: dict[str, str]) -> None:
    assert agree(text, parameters) == len(POINTS)


GUARDED = ("tan", "acosh", "atanh", "asin", "acos")
SMOOTH = sorted(name for name, arity in FUNCTIONS.items() if arity == (1, 1) and name not in GUARDED)
WITH_PARAMETER = sorted(name for name, arity in FUNCTIONS.items() if arity == (2, 2))


def random_expression(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["z", "z", "z", "1/2", "3", "pi", "0.7"])
    kind = rng.randrange(8)
    first = random_expression(rng, depth - 1)
    if kind < 3:
        inner = f"1 + abs({first})" if (name := rng.choice(SMOOTH)) in ("log", "sqrt") else first
        return f"{name}({inner})"
    if kind == 3:
        return f"{rng.choice(WITH_PARAMETER)}({first}, {rng.choice(['1/3', '2', 'pi/4'])})"
    second = random_expression(rng, depth - 1)
    if kind == 4:
        return f"({first})**{rng.choice(['2', '3', '(-1)'])}"
    if kind == 5:
        return f"{rng.choice(['max', 'min'])}({first}, {second})"
    if kind == 6:
        return f"Piecewise(({first}, {second} < z), ({second}, True))"
    return f"({first}){rng.choice('+-*/')}({second})"


def test_random_trees() -> None:
    rng = random.Random(20260)
    compared = 0
    for _ in range(70):
        text = random_expression(rng, 3)
        try:
            tree = parse(text)
        except ExpressionError:
            continue
        if math.isfinite(magnitude(tree, 0.0)):  # an activation with a pole at 0 has no expansion to begin with
            compared += agree(to_text(tree))
    assert compared > 200  # of 490; the others are undefined, refused, or too steep there
