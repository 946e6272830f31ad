"""Argument validation, and conversion between numpy and torch.

The library computes in torch and returns results in the caller's type: `check_features` converts the input to a tensor
and returns a `Like`, which converts results back.
"""

from __future__ import annotations

import math
import numbers
import re
import reprlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

__all__ = [
    "Like",
    "brief",
    "check_device",
    "check_features",
    "check_flag",
    "check_in",
    "check_number",
    "check_positive_int",
    "check_random_state",
    "check_text",
    "device_of",
    "scalar",
    "to_float32_array",
    "to_numpy",
    "to_tensor",
    "torch_generator",
    "valid_text",
]

_CHUNK_ELEMENTS = 1 << 24
_WORK_DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Like:
    """The type of the caller's array (numpy or torch, device and dtype), to convert results back to it."""

    is_numpy: bool
    dtype: torch.dtype
    device: torch.device

    def restore(self, result: torch.Tensor) -> Any:
        """Convert `result` to the caller's type of array; only floats are cast to the caller's dtype."""
        result = result.detach() if self.is_numpy else result
        result = result.to(self.device, self.dtype if result.is_floating_point() else result.dtype)
        return result.numpy() if self.is_numpy else result


def to_tensor(X: Any, name: str = "X") -> tuple[torch.Tensor, Like]:
    """Return `X` as a real tensor, and the `Like` that converts results back. Shares memory with `X` if possible.

    `X` may be a numpy array, a torch tensor, a nested sequence, or any object with `.flatten()` and `.grid` (feature
    maps). Floats keep their dtype; integers and booleans become float64 from numpy and float32 from torch.

    Raises
    ------
    TypeError
        If `X` is sparse or does not hold numbers.
    ValueError
        If `X` is complex.
    """
    if hasattr(X, "grid") and callable(getattr(X, "flatten", None)):
        X = X.flatten()
    if isinstance(X, torch.Tensor):
        if X.is_sparse or X.layout is not torch.strided:
            raise TypeError(f"`{name}` must be dense; got a sparse tensor. Pass `{name}.to_dense()`.")
        if X.is_complex():
            raise ValueError(
                f"`{name}` must be real; got {X.dtype}. Complex data not supported: pass the real and imaginary "
                "parts as columns."
            )
        tensor = X if X.is_floating_point() else X.to(torch.float32)
        return tensor, Like(is_numpy=False, dtype=tensor.dtype, device=tensor.device)
    if sparse.issparse(X):
        raise TypeError(f"`{name}` must be dense; got a sparse {type(X).__name__}. Pass `{name}.toarray()`.")
    if np.ma.is_masked(X):
        raise ValueError(
            f"`{name}` has {np.ma.count_masked(X)} masked values, and masked arrays are not supported. Fill them with "
            f"`{name}.filled(value)`, or drop their rows."
        )
    array = np.asarray(X)
    if array.dtype == object and array.ndim == 0:
        raise TypeError(f"`{name}` must hold numbers; got {type(X).__name__}. Pass a 2D array of floats.")
    if array.dtype.kind == "c":
        raise ValueError(
            f"`{name}` must be real; got {array.dtype}. Complex data not supported: pass the real and imaginary "
            "parts as columns."
        )
    if array.dtype.kind not in "fiub":
        array = _object_to_float(array, name)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8 or not array.dtype.isnative:
        array = array.astype(np.float64)
    if any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array)
    tensor = torch.from_numpy(array if array.flags.writeable else np.asarray(_Writable(array)))
    return tensor, Like(is_numpy=True, dtype=tensor.dtype, device=tensor.device)


class _Writable:
    """Wraps a read-only array, such as a memory-mapped one, so that torch accepts it without a warning.

    This is safe because the package never writes to its input. Filtering the warning is not safe because warning
    filters are shared by all threads.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = array.__array_interface__ | {"data": (address, False)}


def to_numpy(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return an array or tensor as an array; float types that numpy lacks, such as bfloat16, become float32."""
    if isinstance(values, np.ndarray):
        return values
    tensor = values.detach().cpu()
    known = (torch.float16, torch.float32, torch.float64)
    return (tensor.float() if tensor.is_floating_point() and tensor.dtype not in known else tensor).numpy()


def to_float32_array(values: Any, name: str) -> np.ndarray:
    """Return an array, tensor or sequence of numbers as a numpy float32 array."""
    return to_tensor(values, name)[0].detach().cpu().float().numpy()


def _object_to_float(array: np.ndarray, name: str) -> np.ndarray:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`{name}` must hold numbers; got an array of dtype {array.dtype} ({error}). Pass a 2D array of floats."
        ) from error


def check_features(
    X: Any,
    name: str = "X",
    *,
    min_nodes: int = 1,
    n_channels: int | None = None,
    channels: str = "",
    advice: str = "Pass an array of that shape.",
    device: Any = None,
) -> tuple[torch.Tensor, Like]:
    """Return finite (n, c) features as a float32 or float64 tensor, and the `Like` that converts results back.

    Parameters
    ----------
    X : array, tensor or feature maps of shape (n, c)
        The user's input; `to_tensor` lists the accepted types.
    name : str
        The argument's name in error messages.
    min_nodes : int
        The smallest accepted n.
    n_channels : int, optional
        The required c.
    channels : str
        What the channels are, or where their number comes from; added to the error message.
    advice : str
        How to fix a wrong number of channels; added to the error message.
    device : torch device, optional
        Device of the returned tensor; by default that of `X`.

    Returns
    -------
    tensor : torch.Tensor of shape (n, c)
        Half precision becomes float32; other dtypes are kept. Shares memory with `X` if possible.
    like : Like
        `like.restore(result)` has the type, device and dtype of `X`.

    Raises
    ------
    TypeError, ValueError
        If `X` is sparse, complex, not numeric, not 2D, empty or not finite, or has too few nodes or a wrong number of
        channels.

    Examples
    --------
    >>> import numpy as np
    >>> tensor, like = check_features(np.zeros((3, 2), dtype=np.float16))
    >>> tensor.dtype, like.restore(tensor).dtype
    (torch.float32, dtype('float16'))
    """
    if name == "X" and hasattr(X, "grid"):
        # Callers who pass feature maps may not know that the argument is named X.
        name = "features"
    tensor, like = to_tensor(X, name)
    shape = tuple(tensor.shape)
    if tensor.ndim != 2:
        raise ValueError(
            f"`{name}` must be 2D, (nodes, channels); got shape {shape}. "
            "Reshape your data: feature maps (b, h, w, c) with `.reshape(-1, c)`, a single node with "
            "`.reshape(1, -1)`."
        )
    n, c = shape
    if c == 0:
        raise ValueError(
            f"`{name}` must have at least one channel; got 0 feature(s) (shape={shape}) while a minimum of 1 is "
            "required. Pass features with channels."
        )
    if n == 0:
        raise ValueError(f"`{name}` must not be empty; got 0 nodes (shape={shape}). Pass at least {min_nodes}.")
    if n < min_nodes:
        got = "1 sample" if n == 1 else f"{n} samples"
        raise ValueError(f"`{name}` must have at least {min_nodes} nodes; got {got} (shape={shape}). Pass more nodes.")
    if n_channels is not None and c != n_channels:
        raise ValueError(
            f"`{name}` must have {n_channels} columns{channels and f', {channels}'}; got {c} (shape={shape}). {advice}"
        )
    tensor = tensor.to(device=device, dtype=tensor.dtype if tensor.dtype in _WORK_DTYPES else torch.float32)
    _check_finite(tensor, name)
    return tensor, like


def _check_finite(tensor: torch.Tensor, name: str) -> None:
    rows = max(1, _CHUNK_ELEMENTS // tensor.shape[1])
    # Check the sums first, which is cheap: they are finite if all terms are, unless a sum overflows.
    if all(bool(torch.isfinite(chunk.detach().sum())) for chunk in tensor.split(rows)):
        return
    bad = torch.cat([~torch.isfinite(chunk).all(1) for chunk in tensor.split(rows)])
    if bool(bad.any()):
        first = int(bad.nonzero()[0, 0])
        raise ValueError(
            f"`{name}` must be finite; got NaN or inf in {int(bad.sum())} of {len(tensor)} nodes, first in node "
            f"{first}. Drop those nodes, or compute the features in float32 or better."
        )


class _Brief(reprlib.Repr):
    """`repr` with bounded length and depth."""

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to format integers of more than 4300 digits.
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"<an integer of {x.bit_length()} bits>"


_BRIEF = _Brief()
_BRIEF.maxstring = _BRIEF.maxother = 100
_LINE_BREAK = re.compile(r"\s*\n\s*")
_MAX_BRIEF_CHARACTERS = 200


def brief(value: Any) -> str:
    """Return `repr(value)` for an error message, truncated to 200 characters.

    Examples
    --------
    >>> brief([1, 2]), len(brief("x" * 100_000)), brief(10**5000)
    ('[1, 2]', 100, '<an integer of 16610 bits>')
    """
    text = _LINE_BREAK.sub(" ", _BRIEF.repr(value))
    return text if len(text) <= _MAX_BRIEF_CHARACTERS else text[: _MAX_BRIEF_CHARACTERS - 3] + "..."


def _brief_with_type(value: Any) -> str:
    return f"{brief(value)} ({type(value).__name__})"


def scalar(value: Any) -> Any:
    """Return the number in a 0-d array or tensor; return other values unchanged.

    Examples
    --------
    >>> scalar(np.array(3)), scalar(torch.tensor(0.5)), scalar([3])
    (3, 0.5, [3])
    """
    if isinstance(value, np.ndarray | torch.Tensor) and value.ndim == 0 and not np.ma.is_masked(value):
        return value.item()
    return value


def check_positive_int(value: Any, name: str, *, minimum: int = 1, maximum: int | None = None) -> int:
    """Return `value` as an int in [minimum, maximum]; raise TypeError or ValueError otherwise.

    Examples
    --------
    >>> check_positive_int(0, "n_clusters")
    Traceback (most recent call last):
    ...
    ValueError: `n_clusters` must be at least 1; got 0. Raise it.
    """
    number = scalar(value)
    if isinstance(number, bool) or not isinstance(number, numbers.Integral):
        raise TypeError(f"`{name}` must be an integer; got {_brief_with_type(value)}. Pass a whole number.")
    number = int(number)
    if number < minimum:
        raise ValueError(f"`{name}` must be at least {minimum}; got {brief(number)}. Raise it.")
    if maximum is not None and number > maximum:
        raise ValueError(f"`{name}` must be at most {maximum}; got {brief(number)}. Lower it.")
    return number


def check_number(
    value: Any,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a finite float between `low` and `high`; raise TypeError or ValueError otherwise.

    Examples
    --------
    >>> check_number(1.5, "degree", low=0, high=1, low_open=True, high_open=True)
    Traceback (most recent call last):
    ...
    ValueError: `degree` must be in (0, 1); got 1.5. Lower it.
    """
    number = scalar(value)
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise TypeError(f"`{name}` must be a number; got {_brief_with_type(value)}. Pass a float.")
    try:
        number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite; got {brief(value)}. Pass a finite number.")
    too_low = number < low or (low_open and number == low)
    too_high = number > high or (high_open and number == high)
    if too_low or too_high:
        left = "(" if low_open or math.isinf(low) else "["
        right = ")" if high_open or math.isinf(high) else "]"
        todo = "Raise it." if too_low else "Lower it."
        raise ValueError(f"`{name}` must be in {left}{low:g}, {high:g}{right}; got {brief(value)}. {todo}")
    return number


def check_flag(value: Any, name: str) -> bool:
    """Return a Python, numpy or torch bool as a bool; raise TypeError for anything else, numbers included.

    Examples
    --------
    >>> check_flag(np.True_, "smooth")
    True
    """
    flag = scalar(value)
    if not isinstance(flag, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False; got {_brief_with_type(value)}. Pass a bool.")
    return bool(flag)


def check_text(value: Any, name: str) -> str:
    """Return `value` if it is text that can be encoded as UTF-8.

    Examples
    --------
    >>> check_text("caf\\udce9", "name")
    Traceback (most recent call last):
    ...
    ValueError: `name` must be valid Unicode; got 'caf\\udce9'. Replace the characters that could not be decoded.
    """
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be text; got {_brief_with_type(value)}. Pass a str.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"`{name}` must be valid Unicode; got {brief(value)}. Replace the characters that could not be decoded."
        ) from error
    return str(value)


def valid_text(text: str) -> str:
    """Return `text` with "?" in place of characters that UTF-8 cannot encode, as in a Latin-1 file name.

    Examples
    --------
    >>> valid_text("caf\\udce9.png")
    'caf?.png'
    """
    return text.encode("utf-8", "replace").decode()


def check_in(value: Any, name: str, allowed: Collection[str]) -> str:
    """Return `value` if it is one of the `allowed` words; otherwise raise an error that lists them.

    Examples
    --------
    >>> check_in("tnse", "method", ("pca", "tsne"))
    Traceback (most recent call last):
    ...
    ValueError: `method` must be one of 'pca', 'tsne'; got 'tnse'. Pick one of these.
    """
    words = ", ".join(repr(word) for word in allowed)
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be one of {words}; got {_brief_with_type(value)}. Pick one of these.")
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {words}; got {brief(value)}. Pick one of these.")
    return str(value)


def check_random_state(random_state: Any, name: str = "random_state") -> np.random.Generator:
    """Return a numpy generator for a seed, an existing generator, or None (fresh entropy).

    The global generators of numpy and torch are not used.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**31 - 1, size=4))
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(check_positive_int(random_state, name, minimum=0))


def torch_generator(random_state: Any, device: Any = "cpu") -> torch.Generator:
    """Return a torch generator on `device`, seeded from `check_random_state(random_state)`.

    Draw on the CPU and move the result, so that a seed gives the same numbers on every device.
    """
    rng = check_random_state(random_state)
    return torch.Generator(device).manual_seed(int(rng.integers(2**63)))


def device_of(nodes: torch.Tensor, device: Any) -> torch.device:
    """Return the device to compute on: `device`, or that of `nodes` if it is None."""
    if device is None:
        return nodes.device
    found = check_device(device)
    if found.type == "mps" and nodes.dtype == torch.float64:
        raise ValueError("`device='mps'` does not support float64, and the features are float64. Pass float32.")
    return found


def check_device(device: Any) -> torch.device:
    """Return the torch device; raise ValueError if it is unknown or not available on this machine."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f'`device` must be a torch device; got {device!r}. Pass "cpu", "cuda" or None.') from error
    if not _is_available(found):
        raise ValueError(f"`device={str(device)!r}` is not available on this machine. Pass 'cpu' or None.")
    return found


def _is_available(device: torch.device) -> bool:
    try:
        # Works for every device type and checks the index too.
        return not torch.empty(0, device=device).is_meta
    except (AssertionError, ImportError, NotImplementedError, RuntimeError):
        return False
