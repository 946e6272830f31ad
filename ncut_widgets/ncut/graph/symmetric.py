"""Symmetric matrices, of which half is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ncut_widgets._threads import map_in_order

__all__ = ["SymmetricMatrix", "row_blocks"]

# Rows of a block: few enough that little is computed twice along the diagonal, and many enough for fast products.
_CPU_ROWS = 512
_GPU_ROWS = 4096
# Products with smaller matrices take less time than starting threads for them.
_PARALLEL_ROWS = 2048


def row_blocks(n: int, device: torch.device) -> Iterator[slice]:
    """Yield the rows of the blocks that a matrix of n rows is held in."""
    rows = _CPU_ROWS if device.type == "cpu" else _GPU_ROWS
    for start in range(0, n, rows):
        yield slice(start, min(n, start + rows))


class SymmetricMatrix:
    """The symmetric matrix (n, n) with these row blocks, each of which begins at the diagonal.

    Half the memory and half the work to fill it; products with it take as long as with a whole one.

    Parameters
    ----------
    blocks : sequence of torch.Tensor of shape (r_i, n - r_0 - ... - r_(i-1))
        Of each, the first r_i columns are symmetric.
    """

    def __init__(self, blocks: Sequence[torch.Tensor]) -> None:
        self.blocks = tuple(blocks)

    @classmethod
    def averaged(cls, blocks: Sequence[torch.Tensor]) -> SymmetricMatrix:
        """Return the matrix with these blocks, each made symmetric where it meets itself, in place."""
        for block in blocks:
            # A product in floating point differs from its transpose in the last digits.
            own = block[:, : len(block)]
            own.copy_((own + own.T) / 2)
        return cls(blocks)

    def __len__(self) -> int:
        return self.blocks[0].shape[1]

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield the rows of every block, and the block."""
        start = 0
        for block in self.blocks:
            yield slice(start, start + len(block)), block
            start += len(block)

    def __matmul__(self, other: torch.Tensor) -> torch.Tensor:
        """Return the product with `other` (n,) or (n, w)."""
        # A wide product reads a block faster than a tall one.
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
        return self.blocks[0].device.type == "cpu" and len(self) >= _PARALLEL_ROWS

    def fill_diagonal_(self, value: float) -> None:
        for block in self.blocks:
            block[:, : len(block)].fill_diagonal_(value)

    def dense(self) -> torch.Tensor:
        """Return the whole of it (n, n)."""
        whole = self.blocks[0].new_empty(len(self), len(self))
        for here, block in self:
            whole[here, here.start :] = block
            whole[here.start :, here] = block.T
        return whole
