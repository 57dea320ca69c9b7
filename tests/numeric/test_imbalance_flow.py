"""The integral along the flow against closed forms, and its error estimate against a broken tolerance."""

import math
from dataclasses import replace

import pytest
import torch

from numeric.imbalance import ImbalanceTerms, random_case
from numeric.imbalance_flow import flow_rates, gradient_time, imbalance_along_flow


@pytest.mark.parametrize(
    ("activation", "loss", "widths", "layer"),
    [
        ("tanh", "mse", (4, 5, 3, 1), 1),
        ("gelu", "cross_entropy", (3, 4, 3, 3), 2),
        ("sigmoid", "logistic", (4, 5, 1), 1),
    ],
)
def test_the_change_is_the_integral_of_the_rate(
    activation: str, loss: str, widths: tuple[int, ...], layer: int
) -> None:
    case = random_case(activation, loss, widths, layer, 12)
    flow = imbalance_along_flow(case, gradient_time(case), flow_rates)
    assert abs(flow.change) > 1e-4 * flow.size
    assert flow.change == pytest.approx(flow.integrals["2 E<p, phi>"], abs=flow.error + flow.rounding)
    assert flow.error < 1e-8 * flow.size


def test_a_constant_integrates_to_the_time_and_the_start_is_at_zero() -> None:
    case = random_case("tanh", "mse", (3, 3, 1), 1, 4)

    def integrand(terms: ImbalanceTerms) -> dict[str, float]:
        return {"one": 1.0, "rate": terms.rate}

    flow = imbalance_along_flow(case, 0.25, integrand)
    assert flow.integrals["one"] == pytest.approx(0.25, rel=1e-14)
    assert flow.change == pytest.approx(flow.integrals["rate"], abs=1e-10)
    assert flow.start["rate"] != pytest.approx(flow.change / 0.25, rel=1e-3)


def test_a_linear_chain_has_its_closed_form() -> None:
    # One weight a layer, y = 0, x = 1: w1' = w2' = -w^3 from equal starts w0, so w(t) = w0/sqrt(1 + 2 w0^2 t).
    case = random_case("linear", "mse", (1, 1, 1), 1, 0, samples=1)
    one = torch.ones(1, 1, dtype=torch.float64)
    case = replace(case, weights=[0.8 * one, 0.8 * one], x=one, y=0.0 * one)

    def integrand(terms: ImbalanceTerms) -> dict[str, float]:
        return {"z": float(terms.z)}

    flow = imbalance_along_flow(case, 2.0, integrand)
    assert flow.integrals["z"] == pytest.approx((math.sqrt(1 + 2 * 0.64 * 2.0) - 1) / 0.8, abs=1e-11)
    assert abs(flow.change) <= flow.error + flow.rounding
    # G = (w^3, w^3) and dG/dt = -3 w^2 w^3 in both entries.
    assert gradient_time(case) == pytest.approx(1 / (3 * 0.64), rel=1e-7)


def test_a_loose_tolerance_is_seen_in_the_error() -> None:
    case = random_case("tanh", "mse", (4, 5, 3, 1), 1, 12)
    time = gradient_time(case)
    exact = imbalance_along_flow(case, time, flow_rates)
    rough = imbalance_along_flow(case, time, flow_rates, rtol=1e-5, accuracy=math.inf)
    assert rough.error > 100 * exact.error
    assert abs(rough.change - exact.change) <= rough.error


def test_a_time_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        imbalance_along_flow(random_case("tanh", "mse", (2, 2, 1), 1, 1), -1.0, flow_rates)
