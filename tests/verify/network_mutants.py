"""Other networks than the one that a theorem speaks of, for the proofs that start from it (CONTRACT, conformance 3).

Each map takes the definition of a network, (module, name), to its mutant.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import sympy

from symbolic import block_ansatz, closure_algebra, dimension_free, imbalance_scope

Mutants = dict[tuple[ModuleType | type, str], Callable[..., Any]]


def _sums(of_hidden: Callable[[sympy.Symbol], sympy.Expr]) -> Callable[[], sympy.Expr]:
    """The two layers with symbolic widths, with something else in place of s(z_i)."""
    out, hidden = dimension_free._OUT, dimension_free._HIDDEN

    def network() -> sympy.Expr:
        output = sympy.Sum(
            dimension_free._UPPER[out, hidden] * of_hidden(hidden), (hidden, 0, dimension_free._HERE - 1)
        )
        return sympy.Sum(dimension_free._DELTA[out] * output, (out, 0, dimension_free._ABOVE - 1))

    return network


def _z(of: sympy.Symbol) -> sympy.Expr:
    inner = dimension_free._IN
    return sympy.Sum(dimension_free._LOWER[of, inner] * dimension_free._H[inner], (inner, 0, dimension_free._BELOW - 1))


def _with_all_neighbours(of: sympy.Symbol) -> sympy.Expr:
    other = sympy.Symbol("other", integer=True)
    s = dimension_free._S
    return s(_z(of)) + sympy.Sum(s(_z(other)), (other, 0, dimension_free._HERE - 1))


def _unit_0(change: Callable[[str, sympy.Matrix], sympy.Expr]) -> Callable[..., sympy.Matrix]:
    """The pair of layers of an architecture with another value of its first hidden unit."""
    original = imbalance_scope.hidden_values

    def hidden(architecture: Any, weights: Any, inputs: sympy.Matrix) -> sympy.Matrix:
        values = original(architecture, weights, inputs).as_mutable()
        values[0, 0] = change(architecture, values)
        return values

    return hidden


def _without_its_activation(architecture: str, values: sympy.Matrix) -> sympy.Expr:
    """s dropped; the factor z dropped from z D(z) + C(z), since a linear unit obeys the theorem, too."""
    if architecture in ("homogeneous", "piecewise-linear"):
        return next(node for node in sympy.preorder_traversal(values[0, 0]) if node.func == imbalance_scope._D)
    return values[0, 0].args[0]


def _with_its_neighbour(architecture: str, values: sympy.Matrix) -> sympy.Expr:
    return values[0, 0] + values[values.rows - 1, values.cols - 1]


# The blocks stay invariant without any activation, and an ensemble has no layers: they have mutants of their own.


def _first_layer(change: Callable[[sympy.Matrix, sympy.Matrix], None]) -> Callable[..., sympy.Matrix]:
    """The network of the block ansatz, with the values s(z_1) changed in place."""

    def network(weights: Any, inputs: sympy.Matrix, activation: Any) -> sympy.Matrix:
        hidden = weights[0] * inputs
        for layer, weight in enumerate(weights[1:]):
            values = hidden.applyfunc(activation)
            if layer == 0:
                change(values, hidden)
            hidden = weight * values
        return hidden

    return network


def _unit_without_activation(values: sympy.Matrix, hidden: sympy.Matrix) -> None:
    values[0] = hidden[0]


def _exchanged_units(values: sympy.Matrix, _: sympy.Matrix) -> None:
    values[0], values[values.rows - 1] = values[values.rows - 1], values[0]


class _Others:
    """The symbolic ensemble with other neurons in its output."""

    def __init__(self, ensemble: Any, neurons: list[Any]) -> None:
        self.ring, self.copies, self.width, self.neurons = ensemble.ring, ensemble.copies, ensemble.width, neurons


_OUTPUT: Callable[..., Any] = closure_algebra._SymbolicEnsemble.output


def _neuron_without_activation(self: Any, coefficients: Any, x: Any) -> Any:
    """The first neuron brings a in place of a s(w.x)."""
    (a, *_), *others = self.neurons
    return _OUTPUT(_Others(self, others), coefficients, x) + a * sympy.QQ(self.copies, self.width)


def _neuron_hears_its_neighbour(self: Any, coefficients: Any, x: Any) -> Any:
    first, *others = self.neurons
    heard = [first[0], *(w + v for w, v in zip(first[1:], others[-1][1:], strict=True))]
    return _OUTPUT(_Others(self, [heard, *others]), coefficients, x)


_BLOCKS = (block_ansatz, "composed_outputs")
_ENSEMBLE = (closure_algebra._SymbolicEnsemble, "output")
_PAIR = (imbalance_scope, "hidden_values")
_SUMS = (dimension_free, "composed_linearisation")
DROPPED_ACTIVATION: Mutants = {
    _SUMS: _sums(_z),
    _PAIR: _unit_0(_without_its_activation),
    _BLOCKS: _first_layer(_unit_without_activation),
    _ENSEMBLE: _neuron_without_activation,
}
CHANGED_INDEX: Mutants = {
    _SUMS: _sums(_with_all_neighbours),
    _PAIR: _unit_0(_with_its_neighbour),
    _BLOCKS: _first_layer(_exchanged_units),
    _ENSEMBLE: _neuron_hears_its_neighbour,
}
