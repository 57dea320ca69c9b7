import math

import torch

from numeric.monitor import Bracket


def solve(functions: list, iterations: int = 60) -> torch.Tensor:  # type: ignore[type-arg]
    def values(theta: torch.Tensor) -> torch.Tensor:
        return torch.tensor([f(float(t)) for f, t in zip(functions, theta, strict=True)], dtype=torch.float64)

    ones = torch.ones(len(functions), dtype=torch.float64)
    bracket = Bracket(values(0 * ones), values(ones))
    for _ in range(iterations):
        theta, before = bracket.guess(), bracket.root.clone()
        bracket.update(theta, values(theta))
        if bracket.settle((theta - before).abs() < 1e-14):
            break
    return bracket.root


FUNCTIONS = [
    lambda t: 0.3 - t,
    lambda t: math.cos(2 * t),
    lambda t: 1e-8 - t**9,
    lambda t: math.exp(-20 * t) - 0.5,
    lambda t: 1e6 * (0.999 - t) ** 3,
]
ROOTS = [0.3, math.pi / 4, 1e-8 ** (1 / 9), math.log(2) / 20, 0.999]


def test_roots() -> None:
    torch.testing.assert_close(solve(FUNCTIONS[:4]), torch.tensor(ROOTS[:4], dtype=torch.float64), rtol=0, atol=1e-11)
    # A triple root is found only to the cube root of the rounding.
    assert abs(float(solve(FUNCTIONS[4:], 200)[0]) - 0.999) < 1e-4


def test_a_root_does_not_depend_on_its_neighbours() -> None:
    together = solve(FUNCTIONS[:4])
    for index, function in enumerate(FUNCTIONS[:4]):
        assert float(solve([function])[0]) == float(together[index])
