from __future__ import annotations

import pytest
import torch

from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix, row_blocks

SIZES = [1, 511, 512, 513, 1300]


def matrix(n):
    A = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    return A + A.T


def held(A):
    return SymmetricMatrix([A[here, here.start :].clone() for here in row_blocks(len(A), A.device)])


@pytest.mark.parametrize("n", SIZES)
def test_products_match_dense(n):
    A = matrix(n)
    block = torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(held(A) @ block, A @ block)
    torch.testing.assert_close(held(A) @ block[:, 0], A @ block[:, 0])


@pytest.mark.parametrize("n", SIZES)
def test_memory_is_little_more_than_half(n):
    A = matrix(n)
    half = held(A)
    assert len(half) == n
    assert torch.equal(half.dense(), A)
    assert sum(block.numel() for block in half.blocks) <= n * (n + 512) / 2


def test_averaging_makes_diagonal_blocks_symmetric():
    A = matrix(600)
    rounded = A + 1e-9 * torch.randn(600, 600, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = SymmetricMatrix.averaged(held(rounded).blocks).dense()
    assert torch.equal(found, found.T)
    torch.testing.assert_close(found, A, atol=1e-8, rtol=0)


def test_fill_diagonal():
    half = held(matrix(600))
    half.fill_diagonal_(1)
    assert torch.equal(half.dense().diagonal(), torch.ones(600, dtype=torch.float64))
