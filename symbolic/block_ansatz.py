"""The block-aligned ansatz of THEORY section 5 (last part): invariance, the stage-1 saddle and its loop gain.

L = 2, hidden units in K = 2 groups of n; the rows of group k equal X_k v_k, orthonormal modes v_1, v_2, u_k = v_k.x
independent standard Gaussians. The per-sample loss is composed and differentiated with respect to single weights for
an undefined s; its expectation is then factored over the modes.

- Scalar output yhat = sum_i a_i s(w_i.x), every a_i of group k equal to a_k / n, y = sum_k b_k s(u_k): the force on a
row of group 1
  along v_2 is (a_1/n) E[s'(X_1 g)] (b_2 h - a_2 E[g s(X_2 g)]), h = E[g s(g)]: not invariant at first order.
- Vector output y = sum_k b_k e_k s(u_k), group k feeding output k, odd s: every off-block entry of the gradient
vanishes. - At the stage-1 saddle (X_1 = 1, a_1 = b_1, group 2 at zero) the collective tilt of group 1 towards v_2 and
the collective
  weight from group 1 to output 2 have the Hessian [[A, -M], [-M, B]], A = b_1^2 E[s'^2]/n, B = n E[s^2], M = b_2 E[g
  s] E[s'], and couple to nothing else; a non-collective pair (directions that sum to zero over the group, n >= 2) has
  [[0, -M], [-M, 0]].
- -H has the eigenvalues -(A+B)/2 +- sqrt(((A-B)/2)^2 + M^2); the larger is positive iff G = M^2/(A B) > 1, for A, B >
0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import sympy

from symbolic.gaussian_factor import expectation_form
from symbolic.polynomial_form import IdentitySides, LinearForm, undefined_function

Activation = Callable[[sympy.Expr], sympy.Expr]
ForceReading = Literal["exact", "invariant", "no-teacher-term", "not-divided"]
PairKind = Literal["collective", "non-collective"]
PairReading = Literal["exact", "gain-decides", "no-mixing"]

_S = undefined_function("s")
_MODES = sympy.symbols("u_1 u_2")
_SCALES = sympy.symbols("X_1 X_2")
_AMPLITUDES = sympy.symbols("a_1 a_2")
_TEACHER = sympy.symbols("b_1 b_2")


def composed_outputs(
    rows: sympy.Matrix, readout: sympy.Matrix, inputs: sympy.Matrix, activation: Activation
) -> sympy.Matrix:
    """yhat = A s(W u), the network whose loss is differentiated: W (units x modes), A (outputs x units), u (modes x
    1)."""
    return readout * (rows * inputs).applyfunc(activation)


def off_block_force(group_size: int, reading: ForceReading = "exact") -> IdentitySides:
    """Both sides of the force -dLoss/dw.v_2 on a row of group 1, scalar output, any s (not necessarily odd).

    Counterfeits: "invariant" (zero force), "no-teacher-term" (b_2 h dropped), "not-divided" (a_1 in place of a_1/n).
    """
    net = _scalar_network(group_size)
    measured = _expected_gradient(net, ("w", 0, 1), odd=False)
    divisor = 1 if reading == "not-divided" else group_size
    terms = {
        "E[g*s(g)]*E[s'(X_1*g)]*a_1*b_2": Fraction(1, divisor),
        "E[g*s(X_2*g)]*E[s'(X_1*g)]*a_1*a_2": Fraction(-1, divisor),
    }
    if reading == "no-teacher-term":
        del terms["E[g*s(g)]*E[s'(X_1*g)]*a_1*b_2"]
    elif reading == "invariant":
        terms = {}
    elif reading not in ("exact", "not-divided"):
        raise ValueError(f"expected a reading exact, invariant, no-teacher-term or not-divided, got {reading!r}")
    return IdentitySides({key: -value for key, value in measured.items()}, terms)


def vector_output_invariance(group_size: int, odd: bool = True) -> IdentitySides:
    """Both sides of "the ansatz is invariant" for vector output: all off-block gradient entries, and differences in a
    group.

    ``claimed`` is empty. With ``odd=False`` (a general s) the measured side is not: oddness is needed.
    """
    net = _vector_network(group_size, _SCALES, _AMPLITUDES)
    measured: LinearForm = {}
    for unit in range(2 * group_size):
        group = unit // group_size
        first = group * group_size
        for name, entry in (("w", (unit, 1 - group)), ("A", (1 - group, unit))):
            measured |= _prefixed(f"{name}{entry}", _expected_gradient(net, (name, *entry), odd))
        for name, entry, reference in (("w", (unit, group), (first, group)), ("A", (group, unit), (group, first))):
            difference = net.gradient((name, *entry)) - net.gradient((name, *reference))
            measured |= _prefixed(f"{name}{entry}-{name}{reference}", expectation_form(difference, _MODES, odd))
    return IdentitySides(measured, {})


def pair_hessian(group_size: int, kind: PairKind = "collective", reading: PairReading = "exact") -> IdentitySides:
    """Both sides of the 2 x 2 Hessian of one pair at the stage-1 saddle, odd s, with prefixes AA, AB and BB.

    The directions are normalised: (1, ..., 1)/sqrt(n) for the collective pair, (1, -1, 0, ...)/sqrt(2) for a
    non-collective one (n >= 2). Counterfeits: "gain-decides" (the collective A and B for the non-collective pair and
    none for the collective one, as if the gain decided all pairs), "no-mixing" (M = 0).
    """
    directions = {"collective": [1] * group_size, "non-collective": [1, -1] + [0] * (group_size - 2)}
    if kind not in directions or (kind == "non-collective" and group_size < 2) or group_size < 1:
        raise ValueError(
            f"expected a collective pair, or a non-collective one with n >= 2, got {kind!r} and n={group_size}"
        )
    if reading not in ("exact", "gain-decides", "no-mixing"):
        raise ValueError(f"expected a reading exact, gain-decides or no-mixing, got {reading!r}: choose one of them")
    net = _stage_network(group_size)
    direction = directions[kind]
    norm = Fraction(sum(d * d for d in direction))
    measured: LinearForm = {}
    for label, (left, right) in {"AA": ("w", "w"), "AB": ("w", "A"), "BB": ("A", "A")}.items():
        total = sympy.Integer(0)
        for i, d in enumerate(direction):
            for j, e in enumerate(direction):
                if d and e:
                    total += d * e * net.hessian(_pair_entry(left, i), _pair_entry(right, j))
        form = expectation_form(total, _MODES, odd=True)
        measured |= _prefixed(label, {key: value / norm for key, value in form.items()})
    claimed = {"AB: E[g*s(g)]*E[s'(g)]*b_2": Fraction(-1)}
    if (kind == "collective") == (reading != "gain-decides"):
        claimed |= {"AA: E[s'(g)**2]*b_1**2": Fraction(1, group_size), "BB: E[s(g)**2]": Fraction(group_size)}
    if reading == "no-mixing":
        del claimed["AB: E[g*s(g)]*E[s'(g)]*b_2"]
    return IdentitySides(measured, claimed)


def pair_decoupling(group_size: int) -> IdentitySides:
    """Both sides of "the tilts of group 1 towards v_2 and its weights to output 2 couple to no other weight"; claimed
    empty."""
    net = _stage_network(group_size)
    own = [_pair_entry(name, unit) for name in ("w", "A") for unit in range(group_size)]
    measured: LinearForm = {}
    for entry in own:
        for other in net.entries():
            if other not in own:
                measured |= _prefixed(f"{entry}{other}", expectation_form(net.hessian(entry, other), _MODES, odd=True))
    return IdentitySides(measured, {})


def stage_is_critical(group_size: int) -> IdentitySides:
    """Both sides of "the gradient vanishes at the stage-1 saddle" (vector output, odd s); claimed empty."""
    net = _stage_network(group_size)
    measured: LinearForm = {}
    for entry in net.entries():
        measured |= _prefixed(f"{entry}", _expected_gradient(net, entry, odd=True))
    return IdentitySides(measured, {})


def loop_gain(A: sympy.Expr, B: sympy.Expr, M: sympy.Expr) -> sympy.Expr:
    """The mixed loop gain G = M^2 / (A B)."""
    return M**2 / (A * B)


def growth_rates(A: sympy.Expr, B: sympy.Expr, M: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """The eigenvalues of -[[A, -M], [-M, B]], larger first; the larger is positive iff M^2 > A B (for A + B > 0)."""
    root = sympy.sqrt(((A - B) / 2) ** 2 + M**2)
    return -(A + B) / 2 + root, -(A + B) / 2 - root


@dataclass(frozen=True)
class _Network:
    """The per-sample loss with one symbol per weight, and the point at which derivatives are taken."""

    rows: sympy.Matrix
    readout: sympy.Matrix
    loss: sympy.Expr
    point: dict[sympy.Symbol, sympy.Expr]

    def entries(self) -> list[tuple[str, int, int]]:
        """All weights, as ("w", unit, mode) or ("A", output, unit)."""
        shapes = (("w", self.rows.shape), ("A", self.readout.shape))
        return [(name, i, j) for name, (rows, columns) in shapes for i in range(rows) for j in range(columns)]

    def gradient(self, entry: tuple[str, int, int]) -> sympy.Expr:
        """dLoss/d(entry) at the point, per sample."""
        return self.loss.diff(self._symbol(entry)).xreplace(self.point)

    def hessian(self, left: tuple[str, int, int], right: tuple[str, int, int]) -> sympy.Expr:
        """d^2 Loss/d(left)d(right) at the point, per sample."""
        return self.loss.diff(self._symbol(left)).diff(self._symbol(right)).xreplace(self.point)

    def _symbol(self, entry: tuple[str, int, int]) -> sympy.Symbol:
        return (self.rows if entry[0] == "w" else self.readout)[entry[1], entry[2]]


def _scalar_network(group_size: int) -> _Network:
    amplitudes = [[_AMPLITUDES[unit // group_size] / group_size for unit in range(2 * group_size)]]
    return _network(group_size, _SCALES, sympy.Matrix(amplitudes), [sum(_teacher_terms())])


def _vector_network(group_size: int, scales: Sequence[sympy.Expr], amplitudes: Sequence[sympy.Expr]) -> _Network:
    readout = sympy.zeros(2, 2 * group_size)
    for unit in range(2 * group_size):
        readout[unit // group_size, unit] = amplitudes[unit // group_size] / group_size
    return _network(group_size, scales, readout, _teacher_terms())


def _stage_network(group_size: int) -> _Network:
    """Stage 1: group 1 has learned mode 1 exactly, group 2 is at zero."""
    return _vector_network(group_size, (sympy.Integer(1), sympy.Integer(0)), (_TEACHER[0], sympy.Integer(0)))


def _network(
    group_size: int, scales: Sequence[sympy.Expr], readout: sympy.Matrix, targets: Sequence[sympy.Expr]
) -> _Network:
    if group_size < 1:
        raise ValueError(f"expected a group of at least one unit, got {group_size}")
    units = 2 * group_size
    rows = sympy.Matrix(units, 2, lambda i, k: sympy.Symbol(f"w[{i},{k}]"))
    free = sympy.Matrix(readout.rows, units, lambda j, i: sympy.Symbol(f"A[{j},{i}]"))
    outputs = composed_outputs(rows, free, sympy.Matrix(_MODES), _S)
    loss = sum((yhat - y) ** 2 for yhat, y in zip(outputs, targets, strict=True)) / 2
    values = {rows[i, k]: scales[k] if i // group_size == k else sympy.Integer(0) for i in range(units) for k in (0, 1)}
    values |= dict(zip(free, readout, strict=True))
    return _Network(rows, free, loss, values)


def _teacher_terms() -> list[sympy.Expr]:
    return [b * _S(u) for b, u in zip(_TEACHER, _MODES, strict=True)]


def _pair_entry(name: str, unit: int) -> tuple[str, int, int]:
    """The tilt of a unit of group 1 towards v_2, or its weight to output 2."""
    return ("w", unit, 1) if name == "w" else ("A", 1, unit)


def _expected_gradient(net: _Network, entry: tuple[str, int, int], odd: bool) -> LinearForm:
    return expectation_form(net.gradient(entry), _MODES, odd)


def _prefixed(label: str, form: LinearForm) -> LinearForm:
    return {f"{label}: {key}": value for key, value in form.items()}
