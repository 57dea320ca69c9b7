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


def outer(by: Products, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor, add: bool = False) -> None:
    left, right, result = (
        by.rows(by.operand(a), b.shape[1]),
        by.across(by.operand(b)),
        by.rows(by.operand(out), out.shape[2]),
    )
    if add:
        by.add_product(left, right, by.rows(by.operand(torch.empty_like(out)), out.shape[2]), result)
    else:
        by.product(left, right, result)


@pytest.mark.parametrize("by", [NumpyProducts(), TorchProducts()])
@given(st.integers(1, 4), SIZES, SIZES, SIZES, st.booleans(), st.sampled_from([64, 200, 999]))
def test_against_einsum(by: Products, members: int, m: int, k: int, n: int, add: bool, widest: int) -> None:
    a, b, c = matrices(members, m, k), matrices(members, k, n, 1), matrices(members, n, k, 2)
    # Results may lie in longer rows, as the gradients of a layer in those of a state.
    out, along = torch.full((members, m, n), 7.0).double(), torch.full((members, m * n + 5), 2.0).double()
    right, result = (by.columns(by.operand(t), widest) for t in (b, out))
    by.product(by.whole(by.operand(a)), right, result)
    outer(by, a, c, along[:, : m * n].view(members, m, n), add)
    assert torch.allclose(out, torch.einsum("cmk,ckn->cmn", a, b), rtol=1e-12, atol=1e-12)
    expected = torch.einsum("cmk,cnk->cmn", a, c) + (2.0 if add else 0.0)
    assert torch.allclose(along[:, : m * n].view(members, m, n), expected, rtol=1e-12, atol=1e-12)
    assert bool((along[:, m * n :] == 2.0).all())
    thin, flat = by.whole(by.operand(a[:, :, :1])), by.columns(by.operand(b[:, :1]), widest)
    by.rank_one(thin, flat, result)
    assert torch.equal(out, a[:, :, :1] * b[:, :1])
    squares = torch.empty_like(b)
    by.multiply(by.operand(b), by.operand(b[:, :1]), by.operand(squares))
    assert torch.equal(squares, b * b[:, :1])


@given(SIZES, SIZES, SIZES)
def test_a_member_does_not_depend_on_its_batch(m: int, k: int, n: int) -> None:
    by = NumpyProducts()
    a, c = matrices(5, m, k), matrices(5, n, k, 1)
    together, alone = torch.empty(5, m, n, dtype=torch.float64), torch.empty(1, m, n, dtype=torch.float64)
    outer(by, a, c, together)
    outer(by, a[3:4], c[3:4], alone)
    assert torch.equal(together[3:4], alone)


def test_pieces_are_small_and_as_few_as_can_be() -> None:
    by = NumpyProducts()
    h = by.operand(torch.zeros(2, 64, 256, dtype=torch.float64))
    assert by.columns(h, 64).shape == (2, 2, 64, 128)  # 64 x 64 x 256 is more than a million
    assert by.columns(h, 400).shape == (2, 1, 64, 256)  # too wide for small pieces
    assert by.columns(h[:, :, :7], 2000).shape == (2, 1, 64, 7)
    assert by.rows(h, 64).shape == (2, 4, 16, 256)
    assert by.rows(h, 5000).shape == (2, 64, 1, 256)


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
