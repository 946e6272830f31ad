"""What the estimators share with those of scikit-learn: columns that are counted and have names."""

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
    """An estimator whose rows are nodes, and whose columns are checked as scikit-learn checks them.

    Their number always, and their names if `X` is a DataFrame or feature maps whose channels have names of their own.
    """

    n_features_in_: int
    feature_names_in_: np.ndarray
    # What a user who passed another number of columns should do.
    _column_advice = "Extract the features with the backbone and the settings of the fit."

    def _check_fit(self, X: Any, name: str = "X", **checks: Any) -> tuple[torch.Tensor, Like]:
        """Return the nodes to fit, as `check_features` does, and remember their columns."""
        nodes, like = check_features(X, name, **checks)
        self.remember_columns(X, nodes)
        return nodes, like

    def _check_new(self, X: Any, **checks: Any) -> tuple[torch.Tensor, Like]:
        """Return new nodes, as `check_features` does, if they have the columns of the fit."""
        check_is_fitted(self)
        self.check_names(X)
        nodes, like = check_features(X, "X", **checks)
        self.check_width(nodes)
        return nodes, like

    def remember_columns(self, X: Any, nodes: torch.Tensor) -> None:
        """Keep the number and the names of the columns of `X`, whose values are `nodes`."""
        # It forgets the names of an earlier fit, too.
        validate_data(self, _values_of(X), reset=True, skip_check_array=True, ensure_2d=False)
        names = _channel_names(X)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = int(nodes.shape[1])

    def check_names(self, X: Any) -> None:
        """Compare the names of the columns of `X` with those of the fit, before its values are looked at."""
        names, fitted = _channel_names(X), getattr(self, "feature_names_in_", ())
        if names is None:
            validate_data(self, _values_of(X), reset=False, skip_check_array=True, ensure_2d=False)
        elif len(names) == len(fitted) and names != tuple(fitted):
            first = next(i for i, (new, old) in enumerate(zip(names, fitted, strict=True)) if new != old)
            raise ValueError(
                "The feature names should match those that were passed during fit. `X` must have the channels of the "
                f"fit in their order; got {names[first]!r} where the fit had {fitted[first]!r} (channel {first}). "
                "Reorder them, or extract the features with the settings of the fit."
            )

    def check_width(self, nodes: torch.Tensor) -> None:
        """Compare the number of columns with that of the fit."""
        n = int(nodes.shape[1])
        if n != self.n_features_in_:
            # The middle part is scikit-learn's own sentence, which other code looks for.
            raise ValueError(
                f"`X` must have {self.n_features_in_} columns, as in the fit; got {n}: X has {n} features, but "
                f"{type(self).__name__} is expecting {self.n_features_in_} features as input. {self._column_advice}"
            )


class NodeTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NodeEstimator):
    """A `NodeEstimator` with `transform`, whose output can be a DataFrame (`set_output`) with named columns."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _values_of(X: Any) -> Any:
    """What scikit-learn should look for names in: feature maps without names of their own have none."""
    return X.flatten() if hasattr(X, "grid") else X


def _channel_names(X: Any) -> tuple[str, ...] | None:
    """The names of the channels of feature maps; None if they were only numbered, and for all other kinds."""
    names = getattr(X, "channel_names", None) if hasattr(X, "grid") else None
    if names is None or all(name == f"channel {i}" for i, name in enumerate(names)):
        return None
    return tuple(names)
