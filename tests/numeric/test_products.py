import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from numeric.products import NumpyProducts, Products, TorchProducts, products

SIZES = st.integers(1, 70)


def matrices(members: int, rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    # A row longer than the matrix, as in a state or a block of samples: views must not be copied.
    return torch.randn(members, rows, columns + 3, dtype=torch.float64, generator=generator)[:, :, :columns]


@pytest.mark.parametrize("by", [NumpyProducts(), TorchProducts()])
@given(st.integers(1, 4), SIZES, SIZES, SIZES, st.sampled_from([1.0, 0.3]), st.booleans())
def test_against_einsum(by: Products, members: int, m: int, k: int, n: int, gain: float, keep: bool) -> None:
    a, b, c = matrices(members, m, k), matrices(members, k, n, 1), matrices(members, n, k, 2)
    out, outer = torch.full((members, m, n), 7.0, dtype=torch.float64), torch.full((members, m, n), 2.0).double()
    by.product(by.operand(a), by.operand(b), by.operand(out))
    by.outer(by.operand(a), by.operand(c), gain, keep, by.operand(outer))
    assert torch.allclose(out, torch.einsum("cmk,ckn->cmn", a, b), rtol=1e-12, atol=1e-12)
    expected = gain * torch.einsum("cmk,cnk->cmn", a, c) + (2.0 if keep else 0.0)
    assert torch.allclose(outer, expected, rtol=1e-12, atol=1e-12)


@given(SIZES, SIZES, SIZES)
def test_a_member_does_not_depend_on_its_batch(m: int, k: int, n: int) -> None:
    by = NumpyProducts()
    a, c = matrices(5, m, k), matrices(5, n, k, 1)
    together, alone = torch.empty(5, m, n, dtype=torch.float64), torch.empty(1, m, n, dtype=torch.float64)
    by.outer(by.operand(a), by.operand(c), 1.0, False, by.operand(together))
    by.outer(by.operand(a[3:4]), by.operand(c[3:4]), 1.0, False, by.operand(alone))
    assert torch.equal(together[3:4], alone)


def test_operands_share_memory() -> None:
    a = matrices(2, 3, 4)
    array = NumpyProducts().operand(a)
    array[1, 2, 3] = 5.0
    assert a[1, 2, 3] == 5.0 and isinstance(array, np.ndarray)
    assert TorchProducts().operand(a) is a


def test_torch_has_the_products_where_it_has_threads() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert isinstance(products(torch.device("cpu")), NumpyProducts)
        torch.set_num_threads(2)
        assert isinstance(products(torch.device("cpu")), TorchProducts)
    finally:
        torch.set_num_threads(threads)
