from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from ncut_widgets.errors import DegenerateWarning, NystromWarning
from ncut_widgets.ncut import Ncut


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, (60, 6)), rng.normal(4, 1, (40, 6))])


class Maps:
    """The part of features.FeatureMaps that the engine uses."""

    grid = "a grid"

    def __init__(self, X):
        self._X = X

    def flatten(self):
        return self._X


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"n_eig": 200},
            ValueError,
            r"`n_eig` must be at most 99 for 100 nodes; got 200\. Lower it or pass more images",
        ),
        ({"n_eig": 0}, ValueError, "`n_eig` must be at least 1; got 0"),
        ({"n_eig": 2.0}, TypeError, "`n_eig` must be an integer; got 2.0"),
        ({"affinity": "gauss"}, ValueError, "`affinity` must be one of 'rbf', 'cosine'; got 'gauss'"),
        ({"affinity": 3}, TypeError, "`affinity` must be one of 'rbf', 'cosine'; got 3"),
        ({"sigma": 1.0, "degree": 0.1}, ValueError, "`sigma` and `degree` cannot be combined; got 1.0 and 0.1"),
        ({"sigma": 0}, ValueError, r"`sigma` must be in \(0, inf\); got 0"),
        ({"degree": 1.0}, ValueError, r"`degree` must be in \(0, 1\); got 1.0"),
        ({"degree": 0.005}, ValueError, "`degree` must be above 0.01 for these 100 nodes"),
        ({"solver": "fast"}, ValueError, "`solver` must be one of 'auto', 'exact', 'nystrom'; got 'fast'"),
        ({"n_sample": 0}, ValueError, "`n_sample` must be at least 1; got 0"),
        ({"solver": "nystrom", "n_sample": 3}, ValueError, "`n_sample` must be at least `n_eig`, 5; got 3"),
        ({"device": "cuda:99"}, ValueError, "`device='cuda:99'` is not available on this machine. Pass 'cpu' or None"),
        ({"device": "meta"}, ValueError, "`device='meta'` is not available on this machine"),
        ({"device": torch.device("xpu", 7)}, ValueError, "`device='xpu:7'` is not available on this machine"),
        ({"device": "abacus"}, ValueError, "`device` must be a torch device; got 'abacus'"),
        ({"affinity": min, "sigma": 1.0}, ValueError, "must be None with a callable `affinity`"),
        ({"affinity": lambda X, Z: X @ Z.T}, ValueError, "`affinity` must return finite affinities of at least 0"),
        ({"affinity": lambda X, Z: X[:, 0]}, ValueError, r"`affinity` must return one row per row .* got \(100,\)"),
        ({"affinity": lambda X, Z: np.zeros((100, 100))}, ValueError, "`affinity` must connect every node"),
        ({"random_state": "x"}, TypeError, "`random_state` must be an integer; got 'x'"),
    ],
)
def test_invalid_options_raise(X, options, error, message):
    with pytest.raises(error, match=message):
        Ncut(**{"n_eig": 5, **options}).fit(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 3)), "`X` must have at least 2 nodes; got 1 sample"),
        (np.zeros((0, 3)), "`X` must not be empty"),
        (np.array([[1.0, np.nan], [0, 0]]), "`X` must be finite; got NaN or inf in 1 of 2"),
        (np.array([[1.0, np.inf], [0, 0]]), "`X` must be finite; got NaN or inf in 1 of 2"),
    ],
)
def test_invalid_nodes_raise(X, message):
    with pytest.raises(ValueError, match=message):
        Ncut(1).fit(X)


def test_transform_with_other_channels_raises(X):
    with pytest.raises(ValueError, match="X has 4 features, but Ncut is expecting 6 features"):
        Ncut(2).fit(X).transform(X[:, :4])


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_identical_nodes_warn_of_arbitrary_eigenvectors(affinity, value):
    X = np.full((500, 3), value)
    with pytest.warns(DegenerateWarning, match="2 of 3 eigenvectors have eigenvalue 0 within rounding and are"):
        ncut = Ncut(3, affinity=affinity).fit(X)
    np.testing.assert_allclose(ncut.eigval, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(ncut.eigenvectors_[:, 0], 500**-0.5)
    np.testing.assert_allclose(ncut.eigenvectors_.T @ ncut.eigenvectors_, np.eye(3), atol=1e-12)
    assert np.isfinite(ncut.transform(X + 1)).all()
    with pytest.warns(DegenerateWarning, match="2 of 3 eigenvectors have eigenvalue 0"):
        landmarks = Ncut(3, affinity=affinity, solver="nystrom", n_sample=100).fit(X)
    np.testing.assert_allclose(landmarks.eigval, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(landmarks.eigenvectors_[:, 0], 500**-0.5)
    np.testing.assert_allclose(landmarks.eigenvectors_.T @ landmarks.eigenvectors_, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(landmarks.transform(X)[:, 1:], 0)


def test_two_nodes_suffice():
    ncut = Ncut(1).fit(np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(ncut.eigenvectors_, [[0.5**0.5]] * 2)


def test_separate_regions_have_eigenvalue_one():
    """Four disconnected blobs, which iterations with single vectors resolve slowly."""
    rng = np.random.default_rng(0)
    blobs = np.repeat(np.arange(4), 300)
    X = 1000.0 * blobs[:, None] + rng.normal(size=(1200, 2))
    ncut = Ncut(5, sigma=3.0).fit(X)
    np.testing.assert_allclose(ncut.eigval[:4], 1, atol=1e-9)
    assert ncut.eigval[4] < 0.99
    indicator = np.eye(4)[blobs] * ncut.eigenvectors_[:, :1]
    indicator /= np.linalg.norm(indicator, axis=0)
    np.testing.assert_allclose(np.square(indicator.T @ ncut.eigenvectors_[:, :4]).sum(0), 1, atol=1e-6)
    assert (ncut.eigenvectors_[:, 0] > 0).all()


def test_sharp_kernel_with_isolated_nodes_is_solved():
    """M is nearly the identity, and an iteration does not resolve its eigenvalues."""
    X = np.random.default_rng(0).normal(size=(2000, 8))
    ncut = Ncut(4, sigma=0.45).fit(X)
    A = np.exp(-cdist(X, X, "sqeuclidean") / (2 * 0.45**2))
    U, d = ncut.eigenvectors_, A.sum(1)
    np.testing.assert_allclose((A / np.sqrt(np.outer(d, d))) @ U, U * ncut.eigval, atol=1e-9)
    np.testing.assert_allclose(U.T @ U, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_in_torch_out(X, dtype, solver):
    ncut = Ncut(3, solver=solver)
    eig = ncut.fit_transform(torch.from_numpy(X).to(dtype))
    assert (eig.dtype, ncut.eigval.dtype, ncut.residual_.dtype) == (dtype, dtype, dtype)
    new = ncut.transform(torch.from_numpy(X[:7]).to(dtype))
    assert (new.dtype, new.shape) == (dtype, (7, 3))
    expected = Ncut(3, solver=solver).fit_transform(torch.from_numpy(X).to(dtype).double().numpy())
    np.testing.assert_allclose(eig.double().numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_in_numpy_out(X, dtype, solver):
    eig = Ncut(3, solver=solver).fit_transform(X.astype(dtype))
    assert isinstance(eig, np.ndarray)
    assert eig.dtype == dtype


def test_fit_on_numpy_transforms_torch(X):
    ncut = Ncut(3).fit(X)
    new = ncut.transform(torch.from_numpy(X))
    assert isinstance(new, torch.Tensor)
    np.testing.assert_allclose(new.numpy(), ncut.eigenvectors_, atol=1e-8)


def test_feature_maps_are_accepted(X):
    np.testing.assert_array_equal(Ncut(3).fit_transform(Maps(X)), Ncut(3).fit_transform(X))


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_callable_gets_type_of_features(X, convert):
    seen = []

    def affinity(rows, columns):
        seen.append(type(rows))
        square = (rows**2).sum(1)[:, None] + (columns**2).sum(1)[None] - 2 * rows @ columns.T
        return np.exp(-square / 18) if isinstance(rows, np.ndarray) else torch.exp(-square / 18)

    for solver in ("exact", "nystrom"):
        ours = Ncut(3, sigma=3.0, solver=solver, n_sample=60).fit(convert(X))
        theirs = Ncut(3, affinity=affinity, solver=solver, n_sample=60).fit(convert(X))
        np.testing.assert_allclose(np.asarray(theirs.eigenvectors_), np.asarray(ours.eigenvectors_), atol=1e-2)
        assert theirs.sigma_ is None
    assert set(seen) == {type(convert(X))}


def test_cosine_ignores_lengths(X):
    scaled = X * np.random.default_rng(0).uniform(0.1, 10, (100, 1))
    eig = Ncut(3, affinity="cosine").fit(X)
    same = Ncut(3, affinity="cosine").fit(scaled)
    np.testing.assert_allclose(same.eigenvalues_, eig.eigenvalues_, atol=1e-9)


@pytest.mark.parametrize("solver", ["exact", "nystrom"])
def test_same_seed_repeats_and_global_seeds_stay(X, solver):
    before = torch.random.get_rng_state()
    options = {"solver": solver, "n_sample": 40, "random_state": 5}
    np.testing.assert_array_equal(Ncut(3, **options).fit_transform(X), Ncut(3, **options).fit_transform(X))
    assert torch.equal(before, torch.random.get_rng_state())


def test_auto_solver_depends_on_size():
    X = np.random.default_rng(0).normal(size=(4097, 2)).astype(np.float32)
    assert Ncut(3, n_sample=64).fit(X[:4096]).n_landmarks_ == 4096
    assert Ncut(3, n_sample=64).fit(X).n_landmarks_ == 64


def test_signs_do_not_depend_on_order(X):
    eig = Ncut(2).fit_transform(X)
    np.testing.assert_allclose(Ncut(2).fit_transform(X[::-1]), eig[::-1], atol=1e-8)
    assert (np.power(eig, 3).sum(0) > 0).all()


def test_too_few_landmarks_warn():
    X = np.random.default_rng(0).uniform(size=(1000, 3))
    with pytest.warns(NystromWarning, match=r"of 10 eigenvectors are poorly approximated .* Raise `n_sample`"):
        Ncut(10, degree=0.002, solver="nystrom", n_sample=40).fit(X)


def test_chunk_size_does_not_change_embedding(X, monkeypatch):
    options = {"solver": "nystrom", "n_sample": 50}
    expected = Ncut(3, **options).fit(X)
    monkeypatch.setattr("ncut_widgets.ncut.graph.chunks._CPU_CHUNK_ELEMENTS", 7 * 50)
    monkeypatch.setattr("ncut_widgets.ncut.graph.low_rank._MAX_CACHED_AFFINITIES", 0)
    ncut = Ncut(3, **options).fit(X)
    np.testing.assert_allclose(ncut.eigenvectors_, expected.eigenvectors_, atol=1e-10)
    np.testing.assert_allclose(ncut.residual_, expected.residual_, atol=1e-10)
    np.testing.assert_allclose(ncut.transform(X), expected.eigenvectors_, atol=1e-10)


def test_verbose_shows_progress(X, capfd):
    Ncut(3, solver="nystrom").fit(X)
    assert capfd.readouterr().err == ""
    Ncut(3, solver="nystrom", verbose=True).fit(X)
    assert "ncut: degrees" in capfd.readouterr().err


def test_pickled_fit_transforms_equally(X):
    ncut = Ncut(3).fit(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ncut)).transform(X), ncut.transform(X))


def test_engine_needs_only_torch_numpy_scipy_sklearn():
    code = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in set(
            "ipywidgets anywidget matplotlib plotly umap transformers skimage PIL tqdm lazy_loader".split()
        ):
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
import numpy as np
from ncut_widgets.ncut import Ncut

X = np.random.default_rng(0).normal(size=(60, 3))
print(Ncut(3, solver="nystrom").fit(X).transform(X).shape)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "(60, 3)", result.stderr
