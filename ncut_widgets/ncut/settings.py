"""Checks the options of `Ncut`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ncut_widgets._validation import check_in, check_number, check_positive_int

from .graph.build_kernel import KERNELS

__all__ = ["AUTO", "Settings", "check_settings"]

AUTO = "auto"


@dataclass(frozen=True)
class Settings:
    """The options of `Ncut`, valid and compatible."""

    n_eig: int
    affinity: str | Callable[[Any, Any], Any]
    sigma: float | None
    degree: float | None
    # None for "auto".
    n_sample: int | None
    # Whether sampling is "farthest".
    balanced: bool
    alpha: float
    repulsion_weight: float
    repulsion_sigma: float | None
    solver: str
    verbose: bool


def check_settings(options: dict[str, Any]) -> Settings:
    """Return the options (of `Ncut.get_params`) as settings.

    Raises
    ------
    TypeError, ValueError
        If an option is invalid, or options cannot be combined.
    """
    affinity = options["affinity"]
    if not callable(affinity):
        check_in(affinity, "affinity", tuple(KERNELS))
    sigma, degree = options["sigma"], options["degree"]
    if sigma is not None and degree is not None:
        raise ValueError(
            f"`sigma` and `degree` cannot be combined; got {sigma!r} and {degree!r}. "
            "Pass one of them: `degree` chooses the sigma."
        )
    if callable(affinity) and not (sigma is None and degree is None):
        raise ValueError(
            f"`sigma` and `degree` must be None with a callable `affinity`; got {sigma!r} and {degree!r}. "
            "Apply the bandwidth in the callable."
        )
    if sigma is not None:
        sigma = check_number(sigma, "sigma", low=0, low_open=True)
    if degree is not None:
        degree = check_number(degree, "degree", low=0, high=1, low_open=True, high_open=True)
    n_sample = options["n_sample"]
    if isinstance(n_sample, str):
        check_in(n_sample, "n_sample", (AUTO,))
        n_sample = None
    else:
        n_sample = check_positive_int(n_sample, "n_sample")
    repulsion_weight, repulsion_sigma = _check_repulsion(options)
    return Settings(
        n_eig=check_positive_int(options["n_eig"], "n_eig"),
        affinity=affinity,
        sigma=sigma,
        degree=degree,
        n_sample=n_sample,
        balanced=check_in(options["sampling"], "sampling", ("uniform", "farthest")) == "farthest",
        alpha=check_number(options["alpha"], "alpha", low=0, high=1),
        repulsion_weight=repulsion_weight,
        repulsion_sigma=repulsion_sigma,
        solver=_check_solver(options),
        verbose=bool(options["verbose"]),
    )


def _check_repulsion(options: dict[str, Any]) -> tuple[float, float | None]:
    weight, sigma = options["repulsion_weight"], options["repulsion_sigma"]
    weight = check_number(weight, "repulsion_weight", low=0)
    if sigma is not None:
        sigma = check_number(sigma, "repulsion_sigma", low=0, low_open=True)
    if weight and callable(options["affinity"]):
        raise ValueError(
            f'`repulsion_weight` must be 0 with a callable `affinity`; got {weight:g}. Use "rbf" or "cosine", '
            "for which repulsion is defined."
        )
    if sigma is not None and not weight:
        raise ValueError(
            f"`repulsion_sigma` must be None without repulsion; got {sigma:g}. Pass a `repulsion_weight` too, such "
            "as 0.2."
        )
    return weight, sigma


def _check_solver(options: dict[str, Any]) -> str:
    solver = str(check_in(options["solver"], "solver", ("auto", "exact", "nystrom")))
    if options["sampling"] == "farthest" and solver != "auto":
        raise ValueError(
            f'`solver` must be "auto" with sampling="farthest"; got {solver!r}. The graph of the sampled nodes is '
            "always solved exactly."
        )
    if not options["exact_gradient"] or solver == "exact":
        return solver
    if solver == "nystrom":
        raise ValueError(
            '`solver` must be "exact" or "auto" with `exact_gradient`; got "nystrom". Drop one: a gradient is '
            "as exact as the solution it belongs to."
        )
    if options["sampling"] == "farthest":
        raise ValueError(
            '`sampling` must be "uniform" with `exact_gradient`; got "farthest". Drop one: the gradient of a graph of '
            "some nodes is not that of all."
        )
    return "exact"
