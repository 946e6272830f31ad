"""Symmetric matrices of which half is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ncut_widgets._threads import map_in_order

__all__ = ["SymmetricMatrix", "row_blocks"]

# Rows per block: few enough that little is computed twice along the diagonal, many enough for fast products.
_CPU_ROWS = 512
_GPU_ROWS = 4096
# For smaller matrices, products take less time than starting threads.
_MIN_PARALLEL_ROWS = 2048


def row_blocks(n: int, device: torch.device) -> Iterator[slice]:
    """Yield the rows of each block of a matrix with n rows."""
    rows = _CPU_ROWS if device.type == "cpu" else _GPU_ROWS
    for start in range(0, n, rows):
        yield slice(start, min(n, start + rows))


class SymmetricMatrix:
    """A symmetric matrix (n, n), stored as row blocks that begin at the diagonal.

    It takes half the memory of the full matrix and half the time to compute. Products take the same time.

    Parameters
    ----------
    blocks : sequence of torch.Tensor of shape (r_i, n - r_0 - ... - r_(i-1))
        The first r_i columns of each are symmetric.
    """

    def __init__(self, blocks: Sequence[torch.Tensor]) -> None:
        self.blocks = tuple(blocks)

    @classmethod
    def averaged(cls, blocks: Sequence[torch.Tensor]) -> SymmetricMatrix:
        """Return the matrix with these blocks, whose diagonal parts are made symmetric in place."""
        for block in blocks:
            # A floating-point product differs from its transpose in the last digits.
            diagonal = block[:, : len(block)]
            diagonal.copy_((diagonal + diagonal.T) / 2)
        return cls(blocks)

    def __len__(self) -> int:
        return self.blocks[0].shape[1]

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield the rows of each block, and the block."""
        start = 0
        for block in self.blocks:
            yield slice(start, start + len(block)), block
            start += len(block)

    def __matmul__(self, other: torch.Tensor) -> torch.Tensor:
        """Return the product with `other` (n,) or (n, w)."""
        # A product with a wide matrix on the left reads a block faster.
        wide = other[None] if other.ndim == 1 else other.T.contiguous()
        product = torch.zeros_like(wide)

        def multiply(rows: tuple[slice, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
            here, block = rows
            return wide[:, here.start :] @ block.T, wide[:, here] @ block[:, len(block) :]

        for (here, _), (own, mirrored) in zip(
            self, map_in_order(multiply, list(self), parallel=self._is_worth_threads), strict=True
        ):
            product[:, here] += own
            product[:, here.stop :] += mirrored
        return product[0] if other.ndim == 1 else product.T.contiguous()

    @property
    def _is_worth_threads(self) -> bool:
        return self.blocks[0].device.type == "cpu" and len(self) >= _MIN_PARALLEL_ROWS

    def fill_diagonal_(self, value: float) -> None:
        for block in self.blocks:
            block[:, : len(block)].fill_diagonal_(value)

    def dense(self) -> torch.Tensor:
        """Return the full matrix (n, n)."""
        whole = self.blocks[0].new_empty(len(self), len(self))
        for here, block in self:
            whole[here, here.start :] = block
            whole[here.start :, here] = block.T
        return whole
