"""Refine masks and heatmaps of patches to pixels, along the edges of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from ncut_widgets._validation import Like, check_in, to_tensor
from ncut_widgets.features.images import load_images

from .dense_crf import DenseCrf
from .guided_filter import GuidedFilter

__all__ = ["DenseCrf", "GuidedFilter", "refine_heatmap", "refine_mask"]

_METHODS = {"guided": GuidedFilter, "crf": DenseCrf}


def refine_mask(mask: Any, image: Any, *, method: str | GuidedFilter | DenseCrf = "guided") -> Any:
    """Return a mask at the resolution of the image, with its outline moved to the edges in the image.

    The result is `refine_heatmap` thresholded at 0.5, with the same parameters, errors and costs.

    Parameters
    ----------
    mask : array or tensor of shape (h, w)
        One value per patch: a bool mask, or a heatmap in [0, 1] whose patches above 0.5 are inside.
    image : PIL image, path or array
        One image in any form that `load_images` accepts. The patches must cover it evenly.
    method : {"guided", "crf"}, GuidedFilter or DenseCrf
        A name for the default settings, or an instance with other settings.

    Returns
    -------
    array or tensor of shape (H, W), bool
        One value per pixel of the upright image, with the array type and device of `mask`.

    Raises
    ------
    TypeError, ValueError
        If the mask is not 2D with values in [0, 1], there is not exactly one image, or the method is unknown.

    Notes
    -----
    "guided" moves an outline by up to about half a patch. "crf" can move it farther. This helps if the object and its
    surroundings differ in color; if they do not, small or thin regions may disappear.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((32, 32, 3), dtype=np.uint8)
    >>> image[:, 13:] = 200
    >>> patches = np.array([[False, False, True, True]] * 4)
    >>> int(refine_mask(patches, image).argmax(axis=1)[16])
    13
    """
    heat, like = _refine(mask, image, method)
    return like.restore(heat > 0.5)


def refine_heatmap(heatmap: Any, image: Any, *, method: str | GuidedFilter | DenseCrf = "guided") -> Any:
    """Return a heatmap in [0, 1] at the resolution of the image, with its edges moved to those in the image.

    Parameters
    ----------
    heatmap : array or tensor of shape (h, w)
        One value per patch in [0, 1], or a bool mask.
    image : PIL image, path or array
        One image in any form that `load_images` accepts. The patches must cover it evenly.
    method : {"guided", "crf"}, GuidedFilter or DenseCrf
        A name for the default settings, or an instance with other settings. `GuidedFilter` keeps the values between
        edges. `DenseCrf` treats them as probabilities and returns marginals, which are near 0 or 1 almost everywhere.

    Returns
    -------
    array or tensor of shape (H, W)
        One value per pixel of the upright image, with the array type, dtype and device of `heatmap`. A bool mask gives
        floats.

    Raises
    ------
    TypeError, ValueError
        If the heatmap is not 2D with values in [0, 1], there is not exactly one image, or the method is unknown.

    Notes
    -----
    Computed on the CPU and deterministic. Time and memory are linear in the number of pixels: for "guided" those of
    the image, for "crf" those of the image scaled down to `long_side`. "crf" takes about 450 bytes per pixel for
    photographs, and more for noise.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((32, 32, 3), dtype=np.uint8)
    >>> image[:, 13:] = 200
    >>> patches = np.array([[0.0, 0.0, 1.0, 1.0]] * 4)
    >>> refine_heatmap(patches, image, method="crf")[16, [0, 12, 13, 31]].round(2)
    array([0., 0., 1., 1.])
    """
    heat, like = _refine(heatmap, image, method, name="heatmap")
    return like.restore(heat)


def _refine(mask: Any, image: Any, method: Any, name: str = "mask") -> tuple[torch.Tensor, Like]:
    filtering = (
        method if isinstance(method, GuidedFilter | DenseCrf) else _METHODS[check_in(method, "method", _METHODS)]()
    )
    heat, like = _check_heatmap(mask, name)
    return torch.from_numpy(filtering(heat, _one_image(image))), like


def _check_heatmap(mask: Any, name: str) -> tuple[np.ndarray, Like]:
    tensor, like = to_tensor(mask, name)
    shape = tuple(tensor.shape)
    if tensor.ndim != 2 or 0 in shape:
        raise ValueError(
            f"`{name}` must be 2D, (rows, columns) of patches, and not empty; got shape {shape}. "
            f"Pass the {name} of one image at a time."
        )
    heat = tensor.detach().to("cpu", torch.float32).numpy()
    if not (heat.min() >= 0 and heat.max() <= 1):
        raise ValueError(
            f"`{name}` must be in [0, 1]; got values from {heat.min():g} to {heat.max():g}. "
            "Pass a bool mask, or scale the heatmap."
        )
    return heat, like


def _one_image(image: Any) -> Image.Image:
    images = load_images(image)
    if len(images) != 1:
        raise ValueError(f"`image` must be one image; got {len(images)}. Pass one mask with its image at a time.")
    return images[0]
