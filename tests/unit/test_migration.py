"""Migration from ncut_pytorch: its tutorials with the documented changes, and hints for all other names."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

import ncut_widgets as nw
from ncut_widgets import Ncut, kway_ncut, readouts
from ncut_widgets._migration import METHODS, MODULES, NAMES, OPTIONS, explains_old_options

PAGE = (Path(__file__).parents[2] / "docs" / "from_ncut_pytorch.md").read_text()


def rows_under(heading):
    """Return the table cells in a section of the page."""
    section = PAGE.split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in table]


def cells(old, hint):
    return (f"`{old}`", "" if hint.new is None else f"`{hint.new}`", hint.remark)


def option_rows():
    """Return a row for each option and hint, with all functions that share it."""
    functions = {}
    for function, hints in OPTIONS.items():
        for old, hint in hints.items():
            functions.setdefault(cells(old, hint), []).append(f"`{function}`")
    return [(", ".join(names), *row) for row, names in functions.items()]


@pytest.mark.parametrize(("heading", "hints"), [("Names", {**NAMES, **METHODS}), ("Modules", MODULES)])
def test_page_lists_all_old_names(heading, hints):
    assert rows_under(heading) == [cells(old, hint) for old, hint in hints.items()]


def test_page_lists_all_old_options():
    assert rows_under("Options") == option_rows()


@pytest.mark.parametrize("name", NAMES)
def test_old_name_raises_with_hint(name):
    message = re.escape(NAMES[name].message(name))
    with pytest.raises(AttributeError, match=message):
        getattr(nw, name)
    with pytest.raises(ImportError, match=message):
        importlib.import_module(f"ncut_widgets.{name}")
    assert name not in dir(nw)


def test_from_import_raises_with_hint():
    # In a new process, because other tests may have looked up the names in this one.
    code = """
for line in ("from ncut_widgets import NCUT", "from ncut_widgets.color import umap_color",
             "from ncut_widgets.utils.sigma import find_sigma", "from ncut_widgets import Missing"):
    try:
        exec(line)
    except ImportError as error:
        print(error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown[0].startswith("`NCUT` of ncut_pytorch is replaced by `Ncut` in ncut_widgets. `num_eig` is `n_eig`.")
    assert shown[1].endswith("Import from `ncut_widgets` itself: `from ncut_widgets import tsne_color`.")
    assert shown[2].startswith(
        "`utils` of ncut_pytorch does not exist in ncut_widgets. Affinities, the search for a scale and sampling are "
    )
    assert shown[3].startswith("cannot import name 'Missing' from 'ncut_widgets'")


@pytest.mark.parametrize("name", MODULES)
def test_old_module_raises_with_hint(name):
    with pytest.raises(ImportError, match=re.escape(MODULES[name].message(name))):
        importlib.import_module(f"ncut_widgets.{name}.anything")
    with pytest.raises(AttributeError, match=re.escape(MODULES[name].message(name))):
        getattr(nw, name)


def test_other_unknown_names_raise_standard_errors():
    with pytest.raises(AttributeError, match="No ncut_widgets attribute NCUTS"):
        nw.NCUTS  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'ncut_widgets\.colors'"):
        importlib.import_module("ncut_widgets.colors")


@pytest.mark.parametrize("name", METHODS)
def test_old_method_raises_with_hint(name):
    with pytest.raises(AttributeError, match=re.escape(METHODS[name].message(name))):
        getattr(Ncut(), name)
    assert not hasattr(Ncut(), name)


def target_of(name):
    owner, _, method = name.partition(".")
    found = getattr(readouts, owner, None) or getattr(nw, owner)
    return getattr(found(), method) if method else found


OLD_OPTIONS = [(function, old) for function, hints in OPTIONS.items() for old in hints]


@pytest.mark.parametrize(("function", "old"), OLD_OPTIONS)
def test_old_option_raises_with_hint(function, old):
    hint, target = OPTIONS[function][old], target_of(function)
    with pytest.raises(TypeError, match=f"^{re.escape(hint.message(old))}$"):
        target(**{old: 1})
    options = inspect.signature(target).parameters
    assert old not in options
    assert hint.new is None or hint.new in options


@pytest.mark.parametrize("function", OPTIONS)
def test_misspelled_options_raise_standard_errors(function):
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'n_eigg'"):
        target_of(function)(n_eigg=3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda X: Ncut(20, 0.3),
            "`Ncut` takes only `n_eig` by position; got 2 arguments. Pass the others by name: `aff",
        ),
        (
            lambda X: kway_ncut(X, 10),
            "`kway_ncut` takes only `eigenvectors` by position; got 2 arguments. .* `n_clusters`, `n_eig`",
        ),
        (lambda X: nw.tsne_color(X, 300), "`tsne_color` takes only `eigenvectors` by position; got 2 arguments"),
        (lambda X: nw.get_mask(X, X[0], 0.5), "`get_mask` takes only `eigvecs` and `prompt_eigvec` by position; got 3"),
        (
            lambda X: nw.nystrom_propagate(X, X, X, 1.0),
            "takes only `nystrom_out`, `X` and `nystrom_X` by position; got 4",
        ),
        (lambda X: nw.Coloring("pca", 300), "`Coloring` takes only `method` by position; got 2"),
    ],
)
def test_positional_options_raise_with_names(call, message):
    with pytest.raises(TypeError, match=message):
        call(torch.eye(12))


def test_decorated_functions_keep_signature():
    assert list(inspect.signature(nw.tsne_color).parameters)[:2] == ["eigenvectors", "n_sample"]
    assert set(Ncut().get_params()) == set(inspect.signature(Ncut).parameters)
    assert clone(nw.Coloring("pca", n_sample=9)).get_params()["n_sample"] == 9

    @explains_old_options("get_mask")
    def one_by_position(eigvecs):
        return eigvecs

    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        one_by_position(1, 2)


@pytest.mark.parametrize("call", [nw.tsne_color, nw.pca_color, nw.mspace_color, nw.umap_sphere_color])
def test_color_functions_accept_device(call):
    eig = torch.rand(12, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(call(eig, device="cpu"), call(eig))
    with pytest.raises(ValueError, match="`device` must be a torch device; got 'abacus'"):
        call(eig, device="abacus")


def test_clusters_and_propagation_accept_device():
    eig = torch.rand(12, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(kway_ncut(eig, n_clusters=3, device="cpu"), kway_ncut(eig, n_clusters=3))
    assert torch.equal(nw.nystrom_propagate(eig, eig, eig, device=torch.device("cpu")), eig)
    for call in (lambda: kway_ncut(eig, device="abacus"), lambda: nw.nystrom_propagate(eig, eig, eig, device="abacus")):
        with pytest.raises(ValueError, match="`device` must be a torch device; got 'abacus'"):
            call()


@pytest.fixture
def feats():
    """Return features (images, rows, columns, channels) of four classes of patches, in the format of the tutorials."""
    rng = np.random.default_rng(0)
    quadrants = np.arange(4).reshape(2, 2).repeat(4, 0).repeat(4, 1)
    kinds = np.stack([(quadrants + image) % 4 for image in range(6)])
    return torch.from_numpy(rng.normal(size=(4, 16))[kinds] * 3 + rng.normal(size=(6, 8, 8, 16))).float()


def test_quick_start(feats):
    features = feats.flatten(0, 2)
    # from ncut_pytorch import Ncut, kway_ncut
    # from ncut_pytorch.color import umap_color, mspace_color
    from ncut_widgets import mspace_color, tsne_color

    eigvecs = Ncut(n_eig=20).fit_transform(features)
    rgb = tsne_color(eigvecs[:, :20], device="cpu")
    rgb_mspace = mspace_color(features, n_eig=(20,))  # n_eig=20
    assert rgb.shape == rgb_mspace.shape == (384, 3)
    n_cluster = 4
    kway_eigvecs = kway_ncut(eigvecs[:, :n_cluster])
    cluster_assignment = kway_eigvecs.argmax(1)
    cluster_centroids = kway_eigvecs.argmax(0)
    assert sorted(cluster_assignment[cluster_centroids].tolist()) == [0, 1, 2, 3]
    # ncut.kway_fit(n_clusters=3, n_eig=10).kway_transform(features, 3, 10)
    ncut = Ncut(n_eig=20).fit(features)
    scores = nw.Kway(3, n_eig=10).fit(ncut.eigenvectors_).transform(ncut.transform(features))
    assert scores.shape == (384, 3)


def test_tutorial_on_images(feats):
    # from ncut_pytorch import NCUT, rgb_from_tsne_3d
    from ncut_widgets import tsne_color

    h, w = feats.shape[1:3]
    ncut = Ncut(n_eig=20, degree=0.3)  # NCUT(num_eig=20, degree=0.3)
    eigenvectors = ncut.fit_transform(feats[0].flatten(0, 1))  # eigenvectors, eigenvalues =
    assert eigenvectors.shape == (64, 20)
    assert f"lambda_{0} = {ncut.eigval[0].item():.3f}" == "lambda_0 = 1.000"
    rgb = tsne_color(eigenvectors[:, :10], n_neighbors=100)  # X_3d, rgb = rgb_from_tsne_3d(..., perplexity=100)
    assert rgb.reshape(h, w, 3).numpy().shape == (8, 8, 3)


def test_tutorial_on_new_images(feats):
    # from ncut_pytorch import NCUT, rgb_from_tsne_3d, propagate_eigenvectors, propagate_rgb_color
    from ncut_widgets import Coloring

    feats, new_feats = feats[:4], feats[4:]
    ncut = Ncut(n_eig=20, n_sample=30000, device="cpu")  # NCUT(num_eig=20, num_sample=30000, knn=10, ...)
    eigenvectors = ncut.fit_transform(feats.flatten(0, 2))  # eigenvectors, eigenvalues =
    coloring = Coloring("tsne", n_neighbors=100)  # X_3d, rgb = rgb_from_tsne_3d(eigenvectors, perplexity=100)
    rgb = coloring.fit_transform(eigenvectors[:, :20])
    assert rgb.reshape((*feats.shape[:3], 3)).shape == (4, 8, 8, 3)
    new_eigenvectors = ncut.transform(new_feats.reshape(-1, new_feats.shape[-1]))  # propagate_eigenvectors(...)
    new_rgb = coloring.transform(new_eigenvectors[:, :20])  # propagate_rgb_color(...)
    assert new_rgb.reshape((*new_feats.shape[:3], 3)).cpu().shape == (2, 8, 8, 3)
    # Patches of a class have the same color in new images.
    near = torch.cdist(new_feats.flatten(0, 2), feats.flatten(0, 2)).argmin(1)
    assert (rgb[near] - new_rgb).abs().mean() < 0.15


def test_tutorial_on_gradients(feats):
    features = feats[0].clone().requires_grad_(True)
    # Ncut(n_eig=20, track_grad=True, device='cuda')
    eigvecs = Ncut(n_eig=4, exact_gradient=True).fit_transform(features.view(-1, features.shape[-1]))
    kway_eigvec = kway_ncut(eigvecs)
    (-kway_eigvec[kway_eigvec.argmax(1) == 0, 0].abs().mean()).backward()
    assert torch.isfinite(features.grad).all()
    _, topk_idx = features.grad.abs().mean(dim=(0, 1)).topk(10)
    assert len(set(topk_idx.tolist())) == 10


def test_tutorial_on_point_prompts(feats):
    # from ncut_pytorch import NCUT, get_mask
    from ncut_widgets import get_mask

    num_eig = 4
    eigvectors = Ncut(n_eig=num_eig).fit_transform(feats.reshape(-1, 16))  # eigvectors, eigvalues = NCUT(num_eig=...)
    eigvectors = eigvectors.reshape(-1, 8, 8, num_eig)
    clicks, negative_clicks = [(0, 3, 4), (1, 1, 1)], [(0, 0, 1)]
    positive_masks, negative_masks = [], []
    for i_img, x1, x2 in clicks:
        clicked = eigvectors[i_img, x1, x2]
        mask = get_mask(eigvectors, clicked, threshold=0.7, gamma=1.0, denoise=True, denoise_area_th=8)
        positive_masks.append(mask)
    for i_img, x1, x2 in negative_clicks:
        clicked = eigvectors[i_img, x1, x2]
        negative_masks.append(get_mask(eigvectors, clicked, threshold=0.99, gamma=1.0, denoise=False))
    final_mask = (np.stack(positive_masks).sum(0) > 0) & ~(np.stack(negative_masks).sum(0) > 0)
    assert final_mask.shape == (6, 8, 8)
    # The mask contains exactly the clicked class in every image.
    for image, mask in enumerate(final_mask):
        rows, columns = divmod((1 - image) % 4, 2)
        assert mask[4 * rows : 4 * rows + 4, 4 * columns : 4 * columns + 4].mean() > 0.9
        assert mask.sum() <= 16
