"""The graph of an attribution: a new `Ncut` with the options and the fitted sigma of the user's."""

from __future__ import annotations

from typing import Any

from ncut_widgets.ncut import Ncut

__all__ = ["attribution_ncut"]


def attribution_ncut(ncut: Any, n_eig: int) -> Ncut:
    """Return an unfitted `Ncut` of the same graph as `ncut`, with `n_eig` eigenvectors.

    Raises
    ------
    TypeError, ValueError
        If `ncut` is not an `Ncut`, or its graph has a density correction or repulsion, which ablation does not have.
    """
    if ncut is None:
        return Ncut(n_eig)
    if not isinstance(ncut, Ncut):
        raise TypeError(f"`ncut` must be an Ncut; got {type(ncut).__name__}. Pass the Ncut that the target comes from.")
    options: dict[str, Any] = ncut.get_params(deep=False)
    for name in ("alpha", "repulsion_weight"):
        if options[name] != 0:
            raise ValueError(
                f"`ncut` must have `{name}=0` for attributions; got {options[name]!r}. Pass an Ncut without it."
            )
    # An automatic sigma also leaves outliers out of the graph, and is the same again for the same features.
    if getattr(ncut, "sigma_", None) is not None and ncut.counted_weights(None) is None:
        options |= {"sigma": ncut.sigma_, "degree": None}
    return Ncut(**options | {"n_eig": n_eig, "verbose": False})
