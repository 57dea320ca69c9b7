"""The block-aligned ansatz of THEORY section 5 (last part): invariance, the stage-1 saddle and its loop gain.

Hidden units in K = 2 groups of n per layer; the rows of group k of layer 1 equal X_k v_k, hidden blocks are constant
(X_k / n per entry), off-block weights vanish. v_1, v_2 are orthonormal, u_k = v_k.x independent standard Gaussians.
The per-sample loss is composed and differentiated with respect to single weights for an undefined s; its expectation
is then factored over the modes.

Scalar output, L = 2, yhat = sum_i a_i s(w_i.x), each a_i of group k equal to a_k / n, y = sum_k b_k s(u_k):
    the force on a row of group 1 along v_2 is (a_1/n) E[s'(X_1 g)] (b_2 h - a_2 E[g s(X_2 g)]), h = E[g s(g)].
    The ansatz is not invariant, at first order.
Vector output y = sum_k b_k e_k S(u_k), group k feeding output k, odd s, any depth:
    every off-block entry of the gradient vanishes. S is the layer chain of a group: S = s for L = 2,
    S(u) = s(X s(u)) for L = 3.
Stage-1 saddle (group 1 equal to the teacher's first mode, group 2 at zero):
    the collective tilt of the rows of group 1 towards v_2 and the collective weight from group 1 to output 2 have the
    Hessian [[A, -M], [-M, B]], A = b_1^2 E[S'^2]/n, B = n E[S^2], M = b_2 E[g S] E[S'], and couple to nothing else.
    A non-collective pair (directions that sum to zero over the group, n >= 2) has [[0, -M], [-M, 0]] for L = 2:
    unstable at any gain. For L = 3 its Hessian vanishes: neutral to second order [ours].
Spectrum:
    -H has the eigenvalues -(A+B)/2 +- sqrt(((A-B)/2)^2 + M^2); the larger is positive iff G = M^2/(A B) > 1, for
    A, B > 0.
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
Entry = tuple[int, int, int]  # layer (from 1), row, column

_S = undefined_function("s")
_MODES = sympy.symbols("u_1 u_2")
_TEACHER = sympy.symbols("b_1 b_2")


def composed_outputs(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, activation: Activation) -> sympy.Matrix:
    """yhat = W_L s(... s(W_1 u)), the network whose loss is differentiated; W_1 in the coordinates of the modes."""
    hidden = weights[0] * inputs
    for weight in weights[1:]:
        hidden = weight * hidden.applyfunc(activation)
    return hidden


def off_block_force(group_size: int, reading: ForceReading = "exact") -> IdentitySides:
    """Both sides of the force -dLoss/dw.v_2 on a row of group 1; scalar output, L = 2, any s.

    Counterfeits: "invariant" (zero force), "no-teacher-term" (b_2 h dropped), "not-divided" (a_1 in place of a_1/n).
    """
    net = _scalar_network(group_size)
    measured = net.expected_gradient((1, 0, 1), odd=False)
    divisor = 1 if reading == "not-divided" else group_size
    teacher_term = "E[g*s(g)]*E[s'(X_1*g)]*a_1*b_2"
    terms = {teacher_term: Fraction(1, divisor), "E[g*s(X_2*g)]*E[s'(X_1*g)]*a_1*a_2": Fraction(-1, divisor)}
    if reading == "no-teacher-term":
        del terms[teacher_term]
    elif reading == "invariant":
        terms = {}
    elif reading not in ("exact", "not-divided"):
        raise ValueError(f"expected a reading exact, invariant, no-teacher-term or not-divided, got {reading!r}")
    return IdentitySides({key: -value for key, value in measured.items()}, terms)


def vector_output_invariance(group_size: int, depth: int = 2, odd: bool = True) -> IdentitySides:
    """Both sides of "the ansatz is invariant", vector output: off-block gradient entries, and differences in a block.

    ``claimed`` is empty. With ``odd=False`` (a general s) the measured side is not: oddness is needed.
    """
    net = _ansatz_network(group_size, depth)
    measured: LinearForm = {}
    for entry in net.entries():
        layer, row, column = entry
        blocks = net.block(entry)
        if blocks[0] != blocks[1]:
            measured |= _prefixed(f"{entry}", net.expected_gradient(entry, odd))
            continue
        reference = (layer, net.first_of(blocks[0], row, layer < depth), net.first_of(blocks[1], column, layer > 1))
        difference = net.gradient(entry) - net.gradient(reference)
        measured |= _prefixed(f"{entry}-{reference}", expectation_form(difference, _MODES, odd))
    return IdentitySides(measured, {})


def pair_hessian(
    group_size: int, kind: PairKind = "collective", depth: int = 2, reading: PairReading = "exact"
) -> IdentitySides:
    """Both sides of the 2 x 2 Hessian of one pair at the stage-1 saddle, odd s, with prefixes AA, AB and BB.

    The pair is a tilt of the rows of group 1 towards v_2 and weights from group 1 to output 2, along normalised
    directions: (1, ..., 1)/sqrt(n) for the collective pair, (1, -1, 0, ...)/sqrt(2) for a non-collective one (n >=
    2). Counterfeits: "gain-decides" (the collective Hessian for the non-collective pair and the other way round),
    "no-mixing" (M = 0).
    """
    directions = {"collective": [1] * group_size, "non-collective": [1, -1] + [0] * (group_size - 2)}
    if kind not in directions or (kind == "non-collective" and group_size < 2):
        raise ValueError(
            f"expected a collective pair, or a non-collective one with n >= 2, got {kind!r}, n={group_size}"
        )
    if reading not in ("exact", "gain-decides", "no-mixing"):
        raise ValueError(f"expected a reading exact, gain-decides or no-mixing, got {reading!r}: choose one of them")
    net = _stage_network(group_size, depth)
    direction = directions[kind]
    norm = sum(d * d for d in direction)
    measured: LinearForm = {}
    for label, (left, right) in {"AA": (1, 1), "AB": (1, depth), "BB": (depth, depth)}.items():
        total = sympy.Integer(0)
        for i, d in enumerate(direction):
            for j, e in enumerate(direction):
                if d and e:
                    total += d * e * net.hessian(_pair_entry(left, i), _pair_entry(right, j))
        form = expectation_form(total, _MODES, odd=True)
        measured |= _prefixed(label, {key: value / norm for key, value in form.items()})
    collective = (kind == "collective") == (reading != "gain-decides")
    return IdentitySides(measured, _claimed_pair(group_size, depth, collective, mixing=reading != "no-mixing"))


def pair_decoupling(group_size: int, depth: int = 2) -> IdentitySides:
    """Both sides of "the tilts of group 1 and its weights to output 2 couple to no other weight"; claimed empty."""
    net = _stage_network(group_size, depth)
    own = [_pair_entry(layer, unit) for layer in (1, depth) for unit in range(group_size)]
    measured: LinearForm = {}
    for entry in own:
        for other in net.entries():
            if other not in own:
                measured |= _prefixed(f"{entry}{other}", expectation_form(net.hessian(entry, other), _MODES, odd=True))
    return IdentitySides(measured, {})


def stage_is_critical(group_size: int, depth: int = 2) -> IdentitySides:
    """Both sides of "the gradient vanishes at the stage-1 saddle" (vector output, odd s); claimed empty."""
    net = _stage_network(group_size, depth)
    measured: LinearForm = {}
    for entry in net.entries():
        measured |= _prefixed(f"{entry}", net.expected_gradient(entry, odd=True))
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

    group_size: int
    weights: tuple[sympy.Matrix, ...]
    loss: sympy.Expr
    point: dict[sympy.Symbol, sympy.Expr]

    def entries(self) -> list[Entry]:
        """All weights."""
        shapes = [weight.shape for weight in self.weights]
        return [(k + 1, i, j) for k, (rows, columns) in enumerate(shapes) for i in range(rows) for j in range(columns)]

    def block(self, entry: Entry) -> tuple[int, int]:
        """The groups of the row and of the column of a weight; modes and outputs are their own groups."""
        layer, row, column = entry
        depth, n = len(self.weights), self.group_size
        return row // n if layer < depth else row, column // n if layer > 1 else column

    def first_of(self, group: int, index: int, is_unit: bool) -> int:
        """The first unit of a group, or the mode or output itself."""
        return group * self.group_size if is_unit else index

    def gradient(self, entry: Entry) -> sympy.Expr:
        """dLoss/d(entry) at the point, per sample."""
        return self.loss.diff(self._symbol(entry)).xreplace(self.point)

    def hessian(self, left: Entry, right: Entry) -> sympy.Expr:
        """d^2 Loss/d(left)d(right) at the point, per sample."""
        return self.loss.diff(self._symbol(left)).diff(self._symbol(right)).xreplace(self.point)

    def expected_gradient(self, entry: Entry, odd: bool) -> LinearForm:
        """E[dLoss/d(entry)], factored over the modes."""
        return expectation_form(self.gradient(entry), _MODES, odd)

    def _symbol(self, entry: Entry) -> sympy.Symbol:
        return self.weights[entry[0] - 1][entry[1], entry[2]]


def _scalar_network(group_size: int) -> _Network:
    scales, amplitudes = sympy.symbols("X_1 X_2"), sympy.symbols("a_1 a_2")
    rows = _rows(group_size, scales)
    readout = sympy.Matrix(1, 2 * group_size, lambda _, i: amplitudes[i // group_size] / group_size)
    return _network(group_size, [rows, readout], [sum(b * _S(u) for b, u in zip(_TEACHER, _MODES, strict=True))])


def _ansatz_network(group_size: int, depth: int) -> _Network:
    """Vector output at a point of the ansatz with symbolic scales Xl_k of layer l, group k, and amplitudes a_k."""
    scales = [sympy.symbols(f"X{layer}_1 X{layer}_2") for layer in range(1, depth)]
    targets = [b * _S(u) for b, u in zip(_TEACHER, _MODES, strict=True)]
    return _network(group_size, _blocks(group_size, scales, sympy.symbols("a_1 a_2")), targets)


def _stage_network(group_size: int, depth: int) -> _Network:
    """Stage 1: group 1 equals the teacher's first mode, b_1 S(u_1); all weights of group 2 are zero."""
    one, zero = sympy.Integer(1), sympy.Integer(0)
    scales = [(one if layer == 1 else _chain_scale(layer), zero) for layer in range(1, depth)]
    targets = [b * _chain(u, depth) for b, u in zip(_TEACHER, _MODES, strict=True)]
    return _network(group_size, _blocks(group_size, scales, (_TEACHER[0], zero)), targets)


def _network(group_size: int, values: Sequence[sympy.Matrix], targets: Sequence[sympy.Expr]) -> _Network:
    weights = tuple(
        sympy.Matrix(value.rows, value.cols, [sympy.Symbol(f"W{k}[{i},{j}]") for i, j in _indices(value)])
        for k, value in enumerate(values, start=1)
    )
    outputs = composed_outputs(weights, sympy.Matrix(_MODES), _S)
    loss = sum((yhat - y) ** 2 for yhat, y in zip(outputs, targets, strict=True)) / 2
    point = {s: v for weight, value in zip(weights, values, strict=True) for s, v in zip(weight, value, strict=True)}
    return _Network(group_size, weights, loss, point)


def _blocks(
    group_size: int, scales: Sequence[Sequence[sympy.Expr]], amplitudes: Sequence[sympy.Expr]
) -> list[sympy.Matrix]:
    """Rows, hidden blocks and readout of the ansatz."""
    units = 2 * group_size
    rows = _rows(group_size, scales[0])
    hidden = [
        sympy.Matrix(units, units, lambda i, j, x=x: _on_block(i // group_size, j // group_size, x) / group_size)
        for x in scales[1:]
    ]
    readout = sympy.Matrix(2, units, lambda i, j: _on_block(i, j // group_size, amplitudes) / group_size)
    return [rows, *hidden, readout]


def _rows(group_size: int, scales: Sequence[sympy.Expr]) -> sympy.Matrix:
    if group_size < 1:
        raise ValueError(f"expected a group of at least one unit, got {group_size}")
    return sympy.Matrix(2 * group_size, 2, lambda i, k: _on_block(i // group_size, k, scales))


def _on_block(row_group: int, column_group: int, values: Sequence[sympy.Expr]) -> sympy.Expr:
    return values[row_group] if row_group == column_group else sympy.Integer(0)


def _indices(matrix: sympy.Matrix) -> list[tuple[int, int]]:
    return [(i, j) for i in range(matrix.rows) for j in range(matrix.cols)]


def _chain_scale(layer: int) -> sympy.Symbol:
    return sympy.Symbol(f"X_{layer}")


def _chain(u: sympy.Expr, depth: int) -> sympy.Expr:
    """S(u) = s(X_{L-1} s(... s(u)))."""
    value = _S(u)
    for layer in range(2, depth):
        value = _S(_chain_scale(layer) * value)
    return value


def _claimed_pair(group_size: int, depth: int, collective: bool, mixing: bool) -> LinearForm:
    """A, -M and B in the chain S; A = B = 0 for a non-collective pair, and M = 0 beyond L = 2."""
    u, v = _MODES
    S, slope = _chain(v, depth), _chain(u, depth).diff(u)
    terms: dict[str, sympy.Expr] = {}
    if mixing and (collective or depth == 2):
        terms["AB"] = -_TEACHER[1] * v * S * slope
    if collective:
        terms |= {"AA": _TEACHER[0] ** 2 * slope**2 / group_size, "BB": group_size * _chain(u, depth) ** 2}
    claimed: LinearForm = {}
    for label, term in terms.items():
        claimed |= _prefixed(label, expectation_form(term, _MODES, odd=True))
    return claimed


def _pair_entry(layer: int, unit: int) -> Entry:
    """The tilt of a unit of group 1 towards v_2 (layer 1), or its weight to output 2 (last layer)."""
    return (1, unit, 1) if layer == 1 else (layer, 1, unit)


def _prefixed(label: str, form: LinearForm) -> LinearForm:
    return {f"{label}: {key}": value for key, value in form.items()}
