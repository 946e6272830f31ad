"""Base classes of the estimators, with scikit-learn's checks of the number and names of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ncut_widgets._validation import Like, check_features

__all__ = ["NodeEstimator", "NodeTransformer"]


class NodeEstimator(BaseEstimator):
    """Base class of estimators whose rows are nodes; checks columns as scikit-learn does.

    The number of columns is always checked. Column names are checked if `X` is a DataFrame, or feature maps with
    user-defined channel names.
    """

    n_features_in_: int
    feature_names_in_: np.ndarray
    # The last sentence of the error for a wrong number of columns.
    _column_advice = "Extract the features with the backbone and the settings of the fit."

    def _check_fit(self, X: Any, name: str = "X", **checks: Any) -> tuple[torch.Tensor, Like]:
        """Validate the nodes to fit with `check_features` and store the number and names of their columns."""
        nodes, like = check_features(X, name, **checks)
        self.remember_columns(X, nodes)
        return nodes, like

    def _check_new(self, X: Any, **checks: Any) -> tuple[torch.Tensor, Like]:
        """Validate new nodes with `check_features`; their columns must match those of the fit."""
        check_is_fitted(self)
        self.check_names(X)
        nodes, like = check_features(X, "X", **checks)
        self.check_width(nodes)
        return nodes, like

    def remember_columns(self, X: Any, nodes: torch.Tensor) -> None:
        """Store the number and names of the columns of `X`, whose values are `nodes`."""
        # Also deletes the names from an earlier fit.
        validate_data(self, _values_of(X), reset=True, skip_check_array=True, ensure_2d=False)
        names = _channel_names(X)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = int(nodes.shape[1])

    def check_names(self, X: Any) -> None:
        """Raise a ValueError if the column names of `X` differ from those of the fit."""
        names, fitted = _channel_names(X), getattr(self, "feature_names_in_", ())
        if names is None:
            validate_data(self, _values_of(X), reset=False, skip_check_array=True, ensure_2d=False)
        elif len(names) == len(fitted) and names != tuple(fitted):
            first = next(i for i, (new, old) in enumerate(zip(names, fitted, strict=True)) if new != old)
            raise ValueError(
                "The feature names should match those that were passed during fit. `X` must have the same channels in "
                f"the same order as in the fit; got {names[first]!r} instead of {fitted[first]!r} (channel {first}). "
                "Reorder them, or extract the features with the settings of the fit."
            )

    def check_width(self, nodes: torch.Tensor) -> None:
        """Raise a ValueError if the number of columns differs from that of the fit."""
        n = int(nodes.shape[1])
        if n != self.n_features_in_:
            # "X has ... as input" is scikit-learn's message, which its estimator checks match.
            raise ValueError(
                f"`X` must have {self.n_features_in_} columns, as in the fit; got {n}: X has {n} features, but "
                f"{type(self).__name__} is expecting {self.n_features_in_} features as input. {self._column_advice}"
            )


class NodeTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NodeEstimator):
    """A `NodeEstimator` with `transform` and `set_output`, which can return a DataFrame with named columns."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _values_of(X: Any) -> Any:
    """Return the object in which scikit-learn looks for column names: the plain array for feature maps."""
    return X.flatten() if hasattr(X, "grid") else X


def _channel_names(X: Any) -> tuple[str, ...] | None:
    """Return the user-defined channel names of feature maps, or None if there are none or X is another type."""
    names = getattr(X, "channel_names", None) if hasattr(X, "grid") else None
    if names is None or all(name == f"channel {i}" for i, name in enumerate(names)):
        return None
    return tuple(names)
