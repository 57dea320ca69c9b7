"""What a witness says: a prediction or a measurement, its value and its error budget.

Values are plain data, so that the two witnesses share no type of their own and a decision needs no algebra system:

- a float, or a mapping of names to floats that are all judged together (the worst component decides);
- a ``Fraction`` or an ``int``: exact;
- a ``str``: a label, such as a universality class, compared for equality: exact;
- a ``Form``: an exact linear form, monomial -> rational coefficient. Two polynomials are equal iff their forms are;
- a ``Combination`` (predictions only, alone or in a mapping): a linear combination of *ingredients* that the
  measurement brings. A theorem of the shape "this derivative equals that expectation" predicts no number by itself:
  it says how one measured quantity follows from others, and this is the formula that says it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import TypeAlias


class Evidence(enum.Enum):
    """How strong a verdict's evidence is, strongest first."""

    PROOF = "proof"
    CERTIFIED = "certified"
    EXACT = "exact"
    NUMERICAL = "numerical"
    STATISTICAL = "statistical"


@dataclass(frozen=True)
class Form:
    """An exact linear form ``sum_k coefficient_k * monomial_k``; zero coefficients are dropped."""

    terms: Mapping[str, Fraction]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", {name: Fraction(c) for name, c in sorted(self.terms.items()) if c})

    def __sub__(self, other: Form) -> Form:
        names = self.terms.keys() | other.terms.keys()
        return Form({name: self.terms.get(name, Fraction(0)) - other.terms.get(name, Fraction(0)) for name in names})

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = " + ".join(f"{coefficient}*{name}" for name, coefficient in self.terms.items())
        return text if len(text) <= 120 else f"{len(self.terms)} terms, first {text.split(' + ')[0][:60]}"


@dataclass(frozen=True)
class Combination:
    """A prediction of the form ``sum_k coefficient_k * ingredient_k`` over quantities that the measurement brings."""

    coefficients: Mapping[str, float]

    def evaluate(self, ingredients: Mapping[str, float]) -> float:
        """Value of the combination; a missing ingredient is a ``ValueError``."""
        missing = self.coefficients.keys() - ingredients.keys()
        if missing:
            raise ValueError(
                f"the prediction needs the ingredients {sorted(missing)}, which the measurement does not bring "
                f"(it brings {sorted(ingredients)}): name the same ingredients on both sides"
            )
        return math.fsum(c * ingredients[name] for name, c in self.coefficients.items())


Exact: TypeAlias = Fraction | int | str | Form
Measured: TypeAlias = float | Mapping[str, float] | Exact
Predicted: TypeAlias = Measured | Combination | Mapping[str, Combination]


@dataclass(frozen=True)
class Budget:
    """Error budget: five named parts, all non-negative and in the unit of the value; their sum is the tolerance.

    Each part is computed in the run (halved tolerance, doubled nodes, next omitted term), never a literal.
    """

    discretisation: float = 0.0
    sampling: float = 0.0
    finite_width: float = 0.0
    finite_eps: float = 0.0
    rounding: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if value < 0:
                raise ValueError(f"a budget part is a bound and cannot be negative: {part.name} = {value}")

    @property
    def total(self) -> float:
        """The tolerance: the sum of the parts (worst case, since nothing says that they are independent)."""
        return math.fsum(getattr(self, part.name) for part in fields(self))

    def __add__(self, other: Budget) -> Budget:
        return Budget(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def scaled(self, factor: float) -> Budget:
        """Every part times ``factor``."""
        return Budget(*(factor * getattr(self, part.name) for part in fields(self)))


@dataclass(frozen=True)
class Prediction:
    """What the theory says must happen.

    ``text`` shows the formula behind the value; ``budget`` holds what the prediction itself leaves out (the next
    omitted term of an expansion, the radius of an enclosure). ``series``: named curves for the figures; nothing is
    decided by them.
    """

    value: Predicted
    text: str = ""
    unit: str = ""
    budget: Budget = field(default_factory=Budget)
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """What did happen.

    ``problem`` is empty, or one clause that says why the measurement decides nothing (no escape within the budget).
    ``evidence`` overrides the claim's grade for this case; ``ingredients`` serve a ``Combination``; ``series``: named
    curves for the figures, recorded with the result.
    """

    value: Measured
    text: str = ""
    unit: str = ""
    budget: Budget = field(default_factory=Budget)
    ingredients: Mapping[str, float] = field(default_factory=dict)
    evidence: Evidence | None = None
    problem: str = ""
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
