"""Every feature type of `Ncut` works in requests, files, exports, attributions and plots."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers.pages import Page
from ncut_widgets import FeatureMaps, Session, extract_features, plot_eigenvectors
from ncut_widgets.pipeline import embed

CLICK = {"image": 0, "x": 5, "y": 5}

KINDS = {
    "bfloat16": lambda v: torch.from_numpy(v).bfloat16(),
    "bfloat16 with gradients": lambda v: torch.from_numpy(v).bfloat16().requires_grad_(),
    "float16 tensor": lambda v: torch.from_numpy(v).half(),
    "float8": lambda v: torch.from_numpy(v).to(torch.float8_e5m2),
    "float16": lambda v: v.astype(np.float16),
    "float64": lambda v: v.astype(np.float64),
    "big-endian": lambda v: v.astype(">f4"),
    "uint8": lambda v: np.rint(v * 20 + 100).astype(np.uint8),
    "int64": lambda v: np.rint(v * 100).astype(np.int64),
    "bool": lambda v: v > np.median(v, axis=0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_feature_type_works(kind, tmp_path, monkeypatch):
    images = [np.random.default_rng(i).integers(0, 256, (32, 48, 3), dtype=np.uint8) for i in range(2)]
    made = extract_features(images, progress=False)
    features = FeatureMaps(KINDS[kind](np.asarray(made.values)), made.grid, made.channel_names)
    result = embed(images, features=features, n_eig=6, progress=False)
    session = Session(result.images, features=features, eigenvectors=result.eigenvectors, ncut=result.ncut)
    session.objects = [{"name": "mine", "method": "ncut", "clicks": [CLICK]}]
    session.pinned_channels = [0, 1]

    page = Page(session, monkeypatch)
    for name in ("click_heat/0//0.500", "attribution/gradient/clusters/2", "channel_map/1", "channel_ranges"):
        assert np.isfinite(page.ask(name)).all()
    assert len(page.ask("export", {"format": "coco"}))
    for format in ("masks", "overlays", "labels", "coco", "npz", "clicks"):
        assert session.export(tmp_path / f"{format}.npz", format=format).exists()
    assert session.to_html(tmp_path / "page.html", n_clusters=[2], attributions=True, progress=False).stat().st_size
    for method in ("gradient", "ablation"):
        assert np.isfinite(session.attribute(method=method, n_clusters=2).scores).all()
    assert np.isfinite(np.asarray(session.layer_colors("channels"))).all()
    plt.close(plot_eigenvectors(session))

    again = Session.load(session.save(tmp_path / "session.ncut"))
    saved, given = again.features.values, features.values
    if isinstance(given, torch.Tensor):
        given = given.detach().to(torch.float64).numpy()
    np.testing.assert_array_equal(saved.astype(np.float64), given.astype(np.float64))
    again.close()
    session.close()
