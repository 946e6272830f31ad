"""Backbones given by name, folder, model or callable: loading and error messages."""

from __future__ import annotations

import importlib.util
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import BertConfig, BertModel

from helpers.processes import torch_seed
from ncut_widgets.features import extract_features

PROCESSOR = SimpleNamespace(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], rescale_factor=1 / 255)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def vit(**options):
    return transformers.ViTModel(transformers.ViTConfig(**{**SMALL, "image_size": 32, "patch_size": 8, **options}))


def dinov2():
    return transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=32, patch_size=8))


def extract(images, model, processor=PROCESSOR, **options):
    return extract_features(images, backbone=(model, processor), progress=False, **options)


def load(path, **options):
    image = Image.new("RGB", (32, 32))
    return extract_features(image, backbone=str(path), device="cpu", progress=False, **options)


@pytest.fixture(autouse=True)
def seeded():
    with torch_seed():
        yield


@pytest.fixture
def spotted():
    """Return a black image of 3 x 6 patches with a white patch of 8 x 8 pixels in row 1, column 4."""
    image = np.zeros((24, 48, 3), dtype=np.uint8)
    image[8:16, 32:40] = 255
    return Image.fromarray(image)


def pixels_of(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def test_tokens_become_grid_with_image_aspect_ratio(spotted):
    features = extract([spotted, spotted.rotate(90, expand=True)], vit(), layer=0, resolution=48)
    assert [tuple(m.shape) for m in features.maps] == [(3, 6, 16), (6, 3, 16)]
    assert isinstance(features.values, torch.Tensor)


def test_layer_0_is_input_of_first_block(spotted):
    model = vit().eval()
    square = spotted.resize((32, 32))
    with torch.no_grad():
        output = model(pixel_values=pixels_of(square), output_hidden_states=True)
    for layer, expected in ((0, output.hidden_states[0]), (1, output.hidden_states[1]), (-2, output.hidden_states[1])):
        torch.testing.assert_close(extract(square, model, layer=layer).values, expected[0, 1:], atol=1e-5, rtol=1e-4)
    for layer in (2, -1):
        features = extract(square, model, layer=layer)
        torch.testing.assert_close(features.values, output.last_hidden_state[0, 1:], atol=1e-5, rtol=1e-4)
    for layer in (3, -4):
        with pytest.raises(ValueError, match=rf"`layer` must be in -3 to 2 for this model of 2 blocks; got {layer}"):
            extract(square, model, layer=layer)


def intermediate_layers(model, pixels, n):
    """Reimplement `get_intermediate_layers(pixels, n)` of torch.hub's DINOv2: normalized patches of blocks from 0."""
    outputs = []
    hooks = [block.register_forward_hook(lambda _, __, output: outputs.append(output)) for block in model.encoder.layer]
    with torch.no_grad():
        model(pixels)
        layers = [model.layernorm(outputs[j])[:, 1:] for j in n]
    for hook in hooks:
        hook.remove()
    return layers


@pytest.mark.parametrize("j", [0, 2, 4])
def test_layer_matches_get_intermediate_layers(j, spotted):
    config = transformers.Dinov2Config(**{**SMALL, "num_hidden_layers": 5}, image_size=32, patch_size=8)
    model = transformers.Dinov2Model(config).eval()
    square = spotted.resize((32, 32))
    expected = intermediate_layers(model, pixels_of(square), range(5))[j][0]
    found = extract(square, model, layer=j + 1, norm=True)
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-4)
    assert found.sources == (f"Dinov2Model, layer {j + 1}, 32 px, normalized",)


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        ("multiscale", {"layer": 2}, r"`layer` must be -1 for a backbone that is not a transformers model; got 2"),
        (
            "multiscale",
            {"norm": True},
            r"`norm` must be None for a backbone that is not a transformers model; got True",
        ),
        (lambda images: [np.zeros((2, 2, 1))], {"layer": 0}, r"`layer` must be -1 for a backbone"),
        (lambda images: [np.zeros((2, 2, 1))], {"norm": False}, r"`norm` must be None for a backbone"),
    ],
)
def test_transformers_options_raise_for_other_backbones(backbone, options, message, spotted):
    with pytest.raises(ValueError, match=message):
        extract_features(spotted, backbone=backbone, progress=False, **options)
    with pytest.raises(TypeError, match="`norm` must be True, False or None; got 'last'"):
        extract(spotted, vit(), norm="last")


def test_text_models_and_multiple_vision_models_raise(spotted):
    with pytest.raises(ValueError, match=r"must be a vision model of a known family \(ViT, DeiT.*; got BertModel"):
        extract(spotted, BertModel(BertConfig(**SMALL, vocab_size=10)))
    pair = torch.nn.ModuleDict({"left": vit(), "right": dinov2()})
    pair.config = None
    with pytest.raises(ValueError, match=r"ModuleDict with 2: `left` \(ViT\), `right` \(DINOv2\)\. Pass one of them"):
        extract(spotted, pair)


@pytest.mark.parametrize("layer", [np.int64(1), np.int8(-2)])
def test_layer_accepts_numpy_integers(layer, spotted):
    assert extract(spotted, vit(), layer=layer).maps[0].shape == (2, 4, 16)


@pytest.mark.parametrize("backbone", [np.zeros(3), None, 3, ["multiscale"]])
def test_invalid_backbone_raises(backbone, spotted):
    with pytest.raises(
        TypeError, match="`backbone` must be 'multiscale', a model's id or folder, a model, or a callable"
    ):
        extract_features(spotted, backbone=backbone, progress=False)


def test_custom_module_may_have_config(spotted):
    class Means(torch.nn.Module):
        config = "mine"

        def forward(self, images):
            return [torch.zeros(2, 3, 1) for _ in images]

    assert extract_features(spotted, backbone=Means(), progress=False).maps[0].shape == (2, 3, 1)


def test_unexpected_model_structure_raises(spotted):
    older = vit()
    older.encoder = torch.nn.Module()
    older.encoder.layer = older.layers
    del older.layers
    with pytest.raises(ValueError, match=r"structure of transformers 5\.23 or newer; got ViTModel without `layers`"):
        extract(spotted, older)


def test_non_square_model_uses_its_fixed_size(spotted):
    model = vit(image_size=[24, 48]).eval()
    with torch.no_grad():
        expected = model(pixel_values=pixels_of(spotted)).last_hidden_state[0, 1:]
    torch.testing.assert_close(extract(spotted, model).values, expected, atol=1e-5, rtol=1e-4)
    assert extract(spotted.resize((32, 32)), model).maps[0].shape[:2] == (3, 6)
    with pytest.raises(ValueError, match="accepts only images of 48 x 24 pixels; got 64"):
        extract(spotted, model, resolution=64)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: vit(patch_size=[8, 4]), r"must have a square patch size; got \[8, 4\]"),
        (lambda: vit(num_channels=1), "must take RGB images; got ViTModel, which takes 1 channels"),
    ],
)
def test_models_without_usable_layout_raise(build, message, spotted):
    with pytest.raises(ValueError, match=message):
        extract(spotted, build())


@pytest.mark.parametrize(
    ("entries", "pixels"),
    [
        ({"do_normalize": False}, lambda image: image / 255),
        ({"do_normalize": False, "image_mean": [9.0] * 3, "image_std": [9.0] * 3}, lambda image: image / 255),
        ({"image_mean": [0.5] * 3, "image_std": [0.25] * 3}, lambda image: (image / 255 - 0.5) / 0.25),
        ({"do_rescale": False, "image_mean": [1.0] * 3, "image_std": [2.0] * 3}, lambda image: (image - 1) / 2),
        ({"image_mean": [0.0] * 3, "image_std": [1.0] * 3, "rescale_factor": 1 / 127.5}, lambda image: image / 127.5),
    ],
)
def test_pixels_follow_processor_settings(entries, pixels, spotted):
    model, square = vit().eval(), spotted.resize((32, 32))
    expected = torch.from_numpy(pixels(np.asarray(square, dtype=np.float32))).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = model(pixel_values=expected).last_hidden_state[0, 1:]
    found = extract(square, model, SimpleNamespace(**entries))
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-4)


def test_mixed_size_batches_keep_order(spotted):
    model = dinov2()
    images = [spotted, spotted.rotate(90, expand=True), Image.new("RGB", spotted.size, "red")]
    together = extract(images, model)
    for image, m in zip(images, together.maps, strict=True):
        torch.testing.assert_close(m, extract(image, model).maps[0], atol=1e-5, rtol=1e-4)


def save(folder, model, *, processor=True):
    model.save_pretrained(folder)
    if processor:
        text = '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.00392156862745098}'
        (folder / "preprocessor_config.json").write_text(text)


def test_folder_loads_and_names_source(tmp_path, spotted):
    model = dinov2()
    save(tmp_path / "tiny-dino", model)
    features = extract_features(spotted, backbone=str(tmp_path / "tiny-dino"), device="cpu", progress=False)
    torch.testing.assert_close(features.values, extract(spotted, model).values)
    assert features.sources == ("tiny-dino, layer -1, 32 px",)
    loaded = transformers.Dinov2Model.from_pretrained(tmp_path / "tiny-dino")
    again = extract_features(spotted, backbone=loaded, progress=False)
    torch.testing.assert_close(again.values, features.values)


def test_folder_path_expands_home(tmp_path, monkeypatch):
    save(tmp_path / "tiny", dinov2())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/tiny").sources == ("tiny, layer -1, 32 px",)


def test_checkpoint_without_normalization_raises(tmp_path, spotted):
    save(tmp_path / "bare", vit(), processor=False)
    with pytest.raises(ValueError, match=r"have a preprocessor_config\.json.*Pass \(model, image processor\)"):
        extract_features(spotted, backbone=str(tmp_path / "bare"), progress=False)
    with pytest.raises(ValueError, match="must define the normalization of images"):
        extract_features(spotted, backbone=vit(), progress=False)
    moved = vit()
    moved.name_or_path = str(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"'.*gone' has none that can be read\. Pass \(model, image processor\)"):
        extract_features(spotted, backbone=moved, progress=False)
    with pytest.raises(TypeError, match="must have a processor with `image_mean`"):
        extract_features(spotted, backbone=(vit(), object()), progress=False)
    with pytest.raises(TypeError, match="must contain a transformers model; got int"):
        extract_features(spotted, backbone=(3, PROCESSOR), progress=False)


def emptied(folder):
    (folder / "model.safetensors").unlink()


def cut_off(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-200])


def garbled(folder):
    (folder / "model.safetensors").write_bytes(b"no weights at all, though they should be here")


def broken_config(folder):
    (folder / "config.json").write_text('{"model_type": "vit", "hidden')


def unknown_model(folder):
    (folder / "config.json").write_text('{"model_type": "sees-everything"}')


def of_its_own_code(folder):
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(own))


def without_config(folder):
    (folder / "config.json").unlink()


def wider(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 32}))


def deeper(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))


def of_text(folder):
    save(folder, BertModel(BertConfig(**SMALL, vocab_size=10)))


def no_mean(folder):
    (folder / "preprocessor_config.json").write_text('{"image_std": [1, 1, 1]}')


def no_json(folder):
    (folder / "preprocessor_config.json").write_text("image_mean: 0.5")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (emptied, r"the folder '.*' cannot be used: it has no weights"),
        (cut_off, r"cannot be used: its weights cannot be loaded \(.*\)\. Pass a complete folder"),
        (garbled, r"cannot be used: its weights cannot be loaded"),
        (broken_config, r"cannot be used: its config\.json cannot be loaded"),
        (unknown_model, r"cannot be used: its config\.json cannot be loaded .*sees-everything"),
        (of_its_own_code, r"cannot be used: its config\.json cannot be loaded .*"),
        (without_config, r"cannot be used: it has no config\.json"),
        (wider, r"cannot be used: its weights cannot be loaded"),
        (deeper, r"must have all of its weights; '.*' lacks \d+ of them, such as '.*layers?\.2\."),
        (of_text, r"must be a vision model of a known family"),
        (no_mean, r"must have a processor with `image_mean`"),
        (no_json, r"have a preprocessor_config\.json.*that can be read"),
    ],
)
def test_damaged_folder_raises_one_clear_error(harm, message, tmp_path, capfd):
    save(tmp_path / "model", vit())
    harm(tmp_path / "model")
    with pytest.raises((ValueError, TypeError), match=message):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", r"the folder '.*' cannot be used: it has no config\.json"),
        ("no/such/folder", r"got '.*no/such/folder', which is neither an existing folder nor of the form 'owner/name'"),
        ("file.safetensors", r"must be the folder of a model; got the file '.*file\.safetensors'"),
    ],
)
def test_path_without_model_raises(path, message, tmp_path):
    (tmp_path / "file.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / path)


def test_unused_weights_may_be_missing(tmp_path):
    model = transformers.ViTModel(transformers.ViTConfig(**SMALL, image_size=32, patch_size=8), add_pooling_layer=False)
    save(tmp_path / "without-pooler", model)
    assert load(tmp_path / "without-pooler").maps[0].shape == (4, 4, 16)


HUB = {
    "nobody/nothing": (404, "RepoNotFound"),
    "meta/gated": (403, "GatedRepo"),
    "a/list": (404, "EntryNotFound"),
    "on/fire": (503, None),
}


class Hub(BaseHTTPRequestHandler):
    """Mock of the hub: its response depends on the name of the model."""

    def do_HEAD(self):
        status, code = HUB[self.path[1:].split("/resolve")[0]]
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hub_at(monkeypatch, tmp_path):
    """Point huggingface_hub to a local port and an empty cache."""

    def at(port):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        template = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")

    return at


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def hub(hub_at):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub_at(server.server_address[1])
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["facebook/dinov2-base", "owner/any.name_at-all"])
def test_unreachable_hub_fails_fast_with_one_error(name, hub_at, closed_port, capfd):
    hub_at(closed_port)
    start = time.perf_counter()
    with pytest.raises(
        ValueError, match=rf"'{name}' is not in the cache, and the hub at 127\.0\.0\.1:{closed_port} cannot be "
    ):
        load(name)
    assert time.perf_counter() - start < 3
    # No messages about retries.
    assert capfd.readouterr().err == ""


def test_unreachable_hub_error_gives_remedies(hub_at, closed_port):
    hub_at(closed_port)
    with pytest.raises(ValueError, match=r"Pass a folder.*the cache.*`hf download a/b`.*backbone='multiscale'"):
        load("a/b")


def test_hanging_dns_lookup_fails_fast(hub_at, closed_port, monkeypatch):
    hub_at(closed_port)
    monkeypatch.setattr("ncut_widgets.features.backbones.hub._CONNECT_SECONDS", 0.1)
    asked = threading.Event()

    def look_up(*_, **__):
        asked.wait()
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", look_up)
    start = time.perf_counter()
    with pytest.raises(ValueError, match="cannot be reached"):
        load("a/b")
    assert time.perf_counter() - start < 1
    asked.set()


def test_unresponsive_hub_times_out(hub_at, monkeypatch):
    monkeypatch.setattr("ncut_widgets.features.backbones.hub._RESPONSE_SECONDS", (0.1, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub_at(silent.getsockname()[1])
        start = time.perf_counter()
        with pytest.raises(ValueError, match=r"the hub at .* does not respond \(TimeoutError\)\. Try again later"):
            load("a/b")
    assert time.perf_counter() - start < 1


def test_proxy_is_used(hub, monkeypatch):
    monkeypatch.setattr("ncut_widgets.features.backbones.hub.proxy_bypass", lambda host: False)
    monkeypatch.setattr("ncut_widgets.features.backbones.hub.getproxies", lambda: {"http": "127.0.0.1:1"})
    with pytest.raises(ValueError, match="cannot be reached"):
        load("nobody/nothing")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/nothing", r"'nobody/nothing' does not exist on the hub at .*, or is private"),
        ("meta/gated", r"'meta/gated' is gated: .*Accept them on the model's page, then run `hf auth login`"),
        ("a/list", r"'a/list' has no config\.json on the hub"),
        ("on/fire", r"'on/fire' is not in the cache, and the hub at .* responded with status 503\. Try again later"),
    ],
)
def test_hub_refusal_raises_one_error(name, message, hub, capfd):
    with pytest.raises(ValueError, match=message):
        load(name)
    assert capfd.readouterr().err == ""


def test_offline_mode_is_mentioned_in_error(hub_at, closed_port, monkeypatch):
    hub_at(closed_port)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE disables downloads"):
        load("a/b")


def cached(folder, name, model, *, harm=lambda snapshot: None):
    repository = folder / "cache" / f"models--{name.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    save(repository / "snapshots" / commit, model)
    harm(repository / "snapshots" / commit)


def test_cache_is_used_without_network(hub_at, closed_port, tmp_path):
    hub_at(closed_port)
    cached(tmp_path, "owner/tiny", dinov2())
    assert load("owner/tiny").sources == ("tiny, layer -1, 32 px",)
    loaded = dinov2()
    loaded.name_or_path = "owner/tiny"
    extract_features(Image.new("RGB", (32, 32)), backbone=loaded, progress=False)
    cached(tmp_path, "owner/half", dinov2(), harm=emptied)
    with pytest.raises(ValueError, match=r"'owner/half' is not in the cache, and the hub at .* cannot be reached"):
        load("owner/half")


def test_missing_transformers_error_names_extra(monkeypatch, spotted):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "ncut_widgets.features.backbones.find_spec", lambda name: None if name == "transformers" else find(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ncut_widgets\[backbones\]'"):
        extract_features(spotted, backbone="facebook/dinov2-base", progress=False)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("multiscal", r"Did you mean 'multiscale'\?"), ("Multiscale", "Did you mean"), ("dinov9", "or an id such as")],
)
def test_misspelled_name_raises_without_network_access(monkeypatch, spotted, name, advice):
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", lambda path: pytest.fail("asked the network"))
    with pytest.raises(
        ValueError, match=rf"got '{name}', which is neither an existing folder nor of the form 'owner/name'.*{advice}"
    ):
        extract_features(spotted, backbone=name, progress=False)


@pytest.mark.parametrize("device", ["cuda:99", "meta", "nonsense", 1.5])
def test_unavailable_device_raises_before_model_loads(device):
    with pytest.raises(ValueError, match="`device"):
        extract_features(Image.new("RGB", (32, 32)), backbone="owner/name", device=device)
