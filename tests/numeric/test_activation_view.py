import numpy as np
import pytest

from numeric.activation_view import scalar_view
from numeric.activations import activation, activation_from_tree, catalogue
from numeric.scalar_activations import CATALOGUE


@pytest.mark.parametrize("name", [name for name in catalogue() if name in CATALOGUE])
def test_the_view_is_the_numpy_activation_of_that_name(name: str) -> None:
    view, own = scalar_view(activation(name)), CATALOGUE[name]
    z = np.linspace(-5, 5, 202)  # misses the kinks
    for seen, known in zip(view.evaluate(z), own.evaluate(z), strict=True):
        assert np.allclose(seen, known, rtol=1e-13, atol=1e-15)
    assert view.odd == own.odd
    assert view.alpha == pytest.approx(own.alpha, abs=1e-9)
    assert view.kinks == own.kinks


def test_a_typed_kink_at_zero_is_found_and_shapes_are_kept() -> None:
    view = scalar_view(activation_from_tree(("call", "max", ("z",), ("rational", 0, 1))))
    assert view.kinks == (0.0,) and not view.odd
    assert view.evaluate(np.ones((3, 4)))[1].shape == (3, 4)
