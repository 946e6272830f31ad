"""Loads transformers models from a folder, the Hugging Face Hub or its cache, with one clear error on failure."""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import torch

from .families import find_vision_model

__all__ = ["load_model", "load_processor"]

# Time limit for opening a connection, which takes one round trip. Downloads have no time limit.
_CONNECT_SECONDS = 2.0
# Bounds of the time limit for the first response (the upper one is huggingface_hub's), and its multiple of the
# connection time.
_RESPONSE_SECONDS = (2.0, 10.0)
_RESPONSE_PER_CONNECT = 20
# Parts of a checkpoint that do not affect hidden states.
_UNUSED_PARTS = {"pooler", "head", "mask_token", "decoder", "neck"}
_PORTS = {"https": 443, "http": 80, "socks5": 1080, "socks5h": 1080}


def load_model(path: str) -> tuple[Any, SimpleNamespace]:
    """Return a transformers model given by its folder or id, and the preprocessing settings of its checkpoint.

    A model from the hub is downloaded unless it is cached. If the hub cannot be reached, only the cache is used.

    Raises
    ------
    ValueError
        If the model does not exist, is damaged, incomplete or not a vision model, or the hub denies access or cannot
        be reached.
    """
    if not os.path.isdir(path):
        _check_id(path)
    hub_error = None if os.path.isdir(path) else _hub_error(path)
    if hub_error is not None and not _is_cached(path):
        raise ValueError(f"`backbone` {path!r} {hub_error}")
    from transformers import AutoConfig, AutoModel

    options = {"local_files_only": hub_error is not None, "trust_remote_code": False}
    with _explain_errors(path, hub_error, "config.json"):
        config = AutoConfig.from_pretrained(path, **options)
    with _explain_errors(path, hub_error, "model"), torch.device("meta"):
        # Checks the architecture before the weights are downloaded.
        skeleton = AutoModel.from_config(config, trust_remote_code=False)
    find_vision_model(skeleton)
    processor = load_processor(path, local_files_only=hub_error is not None)
    with _explain_errors(path, hub_error, "weights"):
        model, loading = AutoModel.from_pretrained(path, config=config, output_loading_info=True, **options)
    _check_complete(path, model, loading["missing_keys"])
    return model, processor


def load_processor(path: str, *, local_files_only: bool | None = None) -> SimpleNamespace:
    """Return the preprocessing settings of a checkpoint: by default from the hub if it is reachable, else the cache.

    The image processor itself is not created because it requires torchvision for resizing, which PIL does here.
    """
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        if local_files_only is None and not os.path.isdir(path):
            _check_id(path)
            local_files_only = _hub_error(path) is not None
        entries, _ = ImageProcessingMixin.get_image_processor_dict(path, local_files_only=bool(local_files_only))
    except (OSError, ValueError) as error:
        raise ValueError(
            "`backbone` must have a preprocessor_config.json with the normalization of images; "
            f"{path!r} has none that can be read. Pass (model, image processor)."
        ) from error
    return SimpleNamespace(**entries)


def _check_id(path: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if os.path.isfile(path):
        raise ValueError(
            f"`backbone` must be the folder of a model; got the file {path!r}. Pass the folder that contains it."
        )
    try:
        validate_repo_id(path)
    except HFValidationError:
        raise ValueError(
            f"`backbone` must be 'multiscale', the id of a Hugging Face model, or a folder with a model; got {path!r}, "
            "which is neither an existing folder nor of the form 'owner/name'. Check the path."
        ) from None


def _is_cached(path: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(path, "config.json"), str)


def _hub_error(path: str) -> str | None:
    """Return why files of a model cannot be loaded from the hub, as the end of a sentence; None if they can."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

    advice = (
        "Pass a folder with the model, fill the cache on a machine with network access "
        f"(`hf download {path}`), or use backbone='multiscale', which requires no download."
    )
    if constants.HF_HUB_OFFLINE:
        return f"is not in the cache, and HF_HUB_OFFLINE disables downloads. {advice}"
    url = hf_hub_url(path, "config.json")
    host = urlsplit(url).netloc
    probe = _HubProbe(url)
    probe.start()
    probe.connected.wait(_CONNECT_SECONDS)
    if probe.seconds is None:
        return f"is not in the cache, and the hub at {host} cannot be reached. {advice}"
    shortest, longest = _RESPONSE_SECONDS
    responded = probe.responded.wait(min(max(shortest, _RESPONSE_PER_CONNECT * probe.seconds), longest))
    error = probe.error if responded else TimeoutError()
    if error is None:
        return None
    if isinstance(error, GatedRepoError):
        return (
            f"is gated: the hub at {host} provides it only to accounts that have accepted its terms. "
            "Accept them on the model's page, then run `hf auth login`, or pass a folder with the model."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"does not exist on the hub at {host}, or is private. Check the spelling; for a private model run "
            "`hf auth login`."
        )
    if isinstance(error, EntryNotFoundError):
        return (
            f"has no config.json on the hub at {host}, so it is not a transformers model. Pass another id or a "
            "callable."
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    problem = f"responded with status {status}" if status else f"does not respond ({type(error).__name__})"
    return f"is not in the cache, and the hub at {host} {problem}. Try again later. {advice}"


class _HubProbe(threading.Thread):
    """Connects to the server of a URL or to its proxy, then requests the metadata of the file.

    Runs in a thread because the name lookup and some requests of huggingface_hub have no time limit.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True, name="ncut-hub-probe")
        self._url, self._server = url, _server(url)
        self.connected, self.responded = threading.Event(), threading.Event()
        self.seconds: float | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        from huggingface_hub import get_hf_file_metadata
        from huggingface_hub.errors import HTTPError

        start = time.perf_counter()
        try:
            socket.create_connection(self._server, timeout=_CONNECT_SECONDS).close()
            self.seconds = time.perf_counter() - start
            self.connected.set()
            get_hf_file_metadata(self._url, timeout=_RESPONSE_SECONDS[1])
        # HTTPError is the base class of all errors of huggingface_hub's HTTP library.
        except (HTTPError, OSError) as error:
            self.error = error
        finally:
            self.connected.set()
            self.responded.set()


def _server(url: str) -> tuple[str, int]:
    """Return the host and port to connect to for a URL, or those of the proxy for it."""
    server = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(server.hostname or ""):
        server = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return server.hostname or "", server.port or _PORTS.get(server.scheme, 80)


@contextmanager
def _explain_errors(path: str, hub_error: str | None, part: str) -> Iterator[None]:
    """Convert exceptions of the loaders to one ValueError that explains the problem with the checkpoint."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, ImportError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        if hub_error is not None:
            raise ValueError(f"`backbone` {path!r} {hub_error}") from error
        what = "folder" if os.path.isdir(path) else "model"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"its {part} cannot be loaded" if part != "model" else "transformers cannot build it"
        if os.path.isdir(path) and part == "config.json" and not os.path.isfile(os.path.join(path, part)):
            reason, lines = "it has no config.json", ["`model.save_pretrained(folder)` writes one"]
        elif os.path.isdir(path) and part == "weights" and not any(map(_is_weights, os.listdir(path))):
            reason, lines = "it has no weights", ["`model.save_pretrained(folder)` writes model.safetensors"]
        advice = "Pass a complete folder" if os.path.isdir(path) else "Download it again"
        raise ValueError(
            f"`backbone` must be 'multiscale', the id of a Hugging Face model, or a folder with a model; the {what} "
            f"{path!r} cannot be used: {reason} ({lines[0]}). {advice}, or (model, image processor)."
        ) from error


def _is_weights(name: str) -> bool:
    return name.endswith((".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json"))


def _check_complete(path: str, model: Any, missing: Any) -> None:
    """Raise a ValueError if weights of the vision model are missing and would be random."""
    part, _ = find_vision_model(model)
    prefix = next(name for name, module in model.named_modules() if module is part)
    absent = sorted(
        key
        for key in missing
        if key.startswith(f"{prefix}." if prefix else "") and not _UNUSED_PARTS & set(key.split("."))
    )
    if absent:
        raise ValueError(
            f"`backbone` must have all of its weights; {path!r} lacks {len(absent)} of them, such as {absent[0]!r}, "
            "which would be random. Pass a complete checkpoint."
        )
