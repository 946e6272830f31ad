"""From masks of patches to masks of pixels: the picture itself says where the edges are."""

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
    """Return the mask at the image's own resolution, its edges moved to those of the image.

    It is `refine_heatmap` above one half; parameters, errors and costs are the same.

    Parameters
    ----------
    mask : array or tensor of shape (h, w)
        A value per patch: a bool mask, or a heatmap in [0, 1] which counts as inside above 0.5.
    image : PIL image, path or array
        One image, which the patches cover evenly: anything `load_images` takes.
    method : {"guided", "crf"}, GuidedFilter or DenseCrf
        With its settings, or by its name with the default ones.

    Returns
    -------
    array or tensor of shape (H, W), bool
        One value per pixel of the upright image. Of the kind and on the device of `mask`.

    Raises
    ------
    TypeError, ValueError
        Where the mask is not 2D with values in [0, 1], there is not exactly one image, or the method is unknown.

    Notes
    -----
    "guided" moves an edge by up to about half a patch. "crf" moves it further, to wherever colours say so, which helps
    where they tell the object from its surroundings, and may swallow small or thin regions where they don't.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((32, 32, 3), dtype=np.uint8)
    >>> image[:, 13:] = 200
    >>> patches = np.array([[False, False, True, True]] * 4)
    >>> int(refine_mask(patches, image).argmax(axis=1)[16])
    13
    """
    heat, like = _refined(mask, image, method)
    return like.restore(heat > 0.5)


def refine_heatmap(heatmap: Any, image: Any, *, method: str | GuidedFilter | DenseCrf = "guided") -> Any:
    """Return a heatmap in [0, 1] at the image's own resolution, its edges moved to those of the image.

    Parameters
    ----------
    heatmap : array or tensor of shape (h, w)
        A value per patch in [0, 1], or a bool mask.
    image : PIL image, path or array
        One image, which the patches cover evenly: anything `load_images` takes.
    method : {"guided", "crf"}, GuidedFilter or DenseCrf
        With its settings, or by its name with the default ones. `GuidedFilter` keeps the values between the edges;
        `DenseCrf` takes them for probabilities and returns marginals, near 0 or 1 nearly everywhere.

    Returns
    -------
    array or tensor of shape (H, W)
        One value per pixel of the upright image. Of the kind, dtype and device of `heatmap`; of a bool mask, floats.

    Raises
    ------
    TypeError, ValueError
        Where the heatmap is not 2D with values in [0, 1], there is not exactly one image, or the method is unknown.

    Notes
    -----
    Computed on the CPU, the same each time. Time and memory of "guided" are linear in the number of pixels; of "crf"
    in those of the image scaled down to `long_side`, about 450 bytes each for photographs, more for noise.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((32, 32, 3), dtype=np.uint8)
    >>> image[:, 13:] = 200
    >>> patches = np.array([[0.0, 0.0, 1.0, 1.0]] * 4)
    >>> refine_heatmap(patches, image, method="crf")[16, [0, 12, 13, 31]].round(2)
    array([0., 0., 1., 1.])
    """
    heat, like = _refined(heatmap, image, method, name="heatmap")
    return like.restore(heat)


def _refined(mask: Any, image: Any, method: Any, name: str = "mask") -> tuple[torch.Tensor, Like]:
    refine = method if isinstance(method, GuidedFilter | DenseCrf) else _METHODS[check_in(method, "method", _METHODS)]()
    heat, like = _checked(mask, name)
    return torch.from_numpy(refine(heat, _one_image(image))), like


def _checked(mask: Any, name: str) -> tuple[np.ndarray, Like]:
    tensor, like = to_tensor(mask, name)
    shape = tuple(tensor.shape)
    if tensor.ndim != 2 or 0 in shape:
        raise ValueError(
            f"`{name}` must be 2D, (rows, columns) of patches, and not empty; got shape {shape}. "
            "Pass one image's at a time."
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
