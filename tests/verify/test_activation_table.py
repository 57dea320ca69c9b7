"""The table of activations: known constants, digits that are certified, and a store that is only a store."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

import symbolic
from verify import activation_table, session, store
from verify.activation_table import kept_table, record
from verify.claim import Tier
from verify.results import ActivationRecord
from verify.session import Options, run


@pytest.fixture(scope="module")
def table() -> dict[str, ActivationRecord]:
    return {row.name: row for row in activation_table.activation_table()}


def test_it_has_every_activation_of_the_catalogue_in_its_order(table: dict[str, ActivationRecord]) -> None:
    assert tuple(table) == symbolic.catalogue()


@pytest.mark.parametrize(
    ("name", "universality_class", "order", "alpha", "h"),
    [
        ("linear", "A", None, "1", 1.0),
        ("tanh", "B", 3, "1", 0.6057055096021587),
        ("sin", "B", 3, "1", math.exp(-0.5)),
        ("erf", "B", 3, "2/sqrt(pi)", 2 / math.sqrt(3 * math.pi)),
        ("gelu", "C", 2, "1/2", 0.5),
        ("sigmoid", "D", 0, "1/4", 0.2066209641419),
        ("softsign", "outside", None, "1", 0.412755100339),
    ],
)
def test_known_rows(
    table: dict[str, ActivationRecord], name: str, universality_class: str, order: int | None, alpha: str, h: float
) -> None:
    row = table[name]
    assert (row.universality_class, row.order, row.alpha) == (universality_class, order, alpha)
    assert row.h is not None
    assert float(row.h) == pytest.approx(h, rel=1e-12)


def test_K_is_h_alpha_cubed_over_eight_where_there_is_a_law(table: dict[str, ActivationRecord]) -> None:
    for row in table.values():
        if row.universality_class not in ("A", "B", "C"):
            assert row.K is None
        elif row.name not in ("relu", "leaky_relu"):  # whose K is no power of a slope
            alpha = float(symbolic.classify(symbolic.activation(row.name)).alpha)
            assert float(row.K or "nan") == pytest.approx(float(row.h or "nan") * alpha**3 / 8, rel=1e-5)
    # Leaky ReLU: (1 + a^4) / (2 sqrt N).
    assert float(table["leaky_relu"].K or "nan") == pytest.approx((1 + 0.01**4) / 16, rel=1e-5)


def test_phi_in_words_of_a_formula(table: dict[str, ActivationRecord]) -> None:
    assert table["tanh"].phi == r"-\frac{2}{3} z^{3} + \frac{8}{15} z^{5} + O(z^{7})"
    assert table["relu"].phi == "0"
    assert table["softplus"].phi == r"-\log{\left(2 \right)} + \frac{1}{8} z^{2} + O(z^{4})"
    assert table["softsign"].phi.startswith(r"\begin{cases} z^{2} + 2 z^{3} + O(z^{4}) & z < 0")
    assert r"1.050700\ldots" in table["selu"].latex  # 1.0507009873554804934...


@pytest.mark.parametrize(
    ("value", "radius", "digits", "shown"),
    [
        ("0.123456789", "1e-9", 6, "0.123457"),
        ("0.1234565", "1e-9", 6, None),  # the enclosure holds a tie: two roundings
        ("0.123456499", "2e-9", 6, None),
        ("0", "1e-20", 6, "0"),
        ("0", "1e-3", 6, None),
        ("-2.5", "0", 3, "-2.5"),
    ],
)
def test_only_digits_that_the_whole_enclosure_shares_are_shown(
    value: str, radius: str, digits: int, shown: str | None
) -> None:
    assert activation_table._certified(symbolic.Constant(None, value, radius), digits) == shown


def test_an_activation_that_grows_too_fast_has_no_h() -> None:
    tree: Any = ("call", "exp", ("mul", ("z",), ("z",)))
    row = record(symbolic.activation_from_tree(tree, "exp of z squared"))
    assert (row.h, row.h_radius, row.h_latex) == (None, None, "")


def test_the_store_is_read_when_nothing_changed_and_never_trusted_when_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    made = (record(symbolic.activation("tanh")),)
    counted: list[int] = []

    def fake() -> tuple[ActivationRecord, ...]:
        counted.append(1)
        return made

    monkeypatch.setattr(activation_table, "activation_table", fake)
    assert kept_table({"sympy": "1"}) == kept_table({"sympy": "1"}) == made
    assert len(counted) == 1
    kept_table({"sympy": "2"})
    assert len(counted) == 2
    for file in (tmp_path / "activations").iterdir():
        file.write_bytes(msgspec.json.encode([{"name": "tanh"}]))
    assert kept_table({"sympy": "1"}) == made
    assert len(counted) == 3


def test_a_run_has_the_table_when_it_hears_claims_of_T2_and_has_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path / "store")
    monkeypatch.setattr(session, "hear", lambda *_, **__: None)
    made = (record(symbolic.activation("tanh")),)
    monkeypatch.setattr(activation_table, "activation_table", lambda: made)

    def table_of(**options: Any) -> tuple[ActivationRecord, ...]:
        return run(Options(tier=Tier.SMOKE, out=tmp_path / "out", **options)).results.run.activations

    assert table_of(selectors=("T2",)) == made
    assert table_of(selectors=("T2",), fresh=True) == made
    assert table_of(selectors=("T5",)) == ()
    assert table_of(selectors=("T2",), budget=1e-9) == ()


def test_a_table_that_cannot_be_made_costs_the_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "hear", lambda *_, **__: None)

    def broken() -> tuple[ActivationRecord, ...]:
        raise ArithmeticError("a witness that is broken")

    monkeypatch.setattr(activation_table, "activation_table", broken)
    made = run(Options(selectors=("T2",), out=tmp_path, fresh=True)).results.run
    assert (made.complete, made.activations) == (True, ())
    assert made.warnings == ("the table of activations could not be made: ArithmeticError: a witness that is broken",)
