"""Loading transformers models from a folder, the hub or its cache, with one error that says what to do."""

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

# To open a connection takes one round trip, which slow networks manage; how long a download takes does not matter.
_CONNECT_SECONDS = 2.0
# The first answer takes a few round trips more, and at most what huggingface_hub itself allows.
_ANSWER_SECONDS = (2.0, 10.0)
_ANSWER_PER_CONNECT = 20
# Parts of a checkpoint that no hidden state depends on.
_UNUSED_PARTS = {"pooler", "head", "mask_token", "decoder", "neck"}
_PORTS = {"https": 443, "http": 80, "socks5": 1080, "socks5h": 1080}


def load_model(path: str) -> tuple[Any, SimpleNamespace]:
    """Return a transformers model by its folder or id, and what its checkpoint says of pixel values.

    A model of the hub is downloaded unless it is in the cache. If the hub cannot be reached, the cache alone is used.

    Raises
    ------
    ValueError
        If there is no such model, the hub refuses it or cannot be reached, it is damaged or incomplete, or it sees no
        images.
    """
    if not os.path.isdir(path):
        _check_id(path)
    refusal = None if os.path.isdir(path) else _refusal(path)
    if refusal is not None and not _is_cached(path):
        raise ValueError(f"`backbone` {path!r} {refusal}")
    from transformers import AutoConfig, AutoModel

    options = {"local_files_only": refusal is not None, "trust_remote_code": False}
    with _explained(path, refusal, "config.json"):
        config = AutoConfig.from_pretrained(path, **options)
    with _explained(path, refusal, "model"), torch.device("meta"):
        # Before anything large is downloaded.
        outline = AutoModel.from_config(config, trust_remote_code=False)
    find_vision_model(outline)
    processor = load_processor(path, local_files_only=refusal is not None)
    with _explained(path, refusal, "weights"):
        model, loading = AutoModel.from_pretrained(path, config=config, output_loading_info=True, **options)
    _check_complete(path, model, loading["missing_keys"])
    return model, processor


def load_processor(path: str, *, local_files_only: bool | None = None) -> SimpleNamespace:
    """Return what a checkpoint says of pixel values, by default from the hub if it can be reached, else from the cache.

    It is read rather than instantiated: image processors need torchvision, for resizing that is done here.
    """
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        if local_files_only is None and not os.path.isdir(path):
            _check_id(path)
            local_files_only = _refusal(path) is not None
        entries, _ = ImageProcessingMixin.get_image_processor_dict(path, local_files_only=bool(local_files_only))
    except (OSError, ValueError) as error:
        raise ValueError(
            "`backbone` must come with a preprocessor_config.json that says how to normalize images; "
            f"{path!r} has none that can be read. Pass (model, image processor)."
        ) from error
    return SimpleNamespace(**entries)


def _check_id(path: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if os.path.isfile(path):
        raise ValueError(f"`backbone` must be a model's folder; got the file {path!r}. Pass the folder that holds it.")
    try:
        validate_repo_id(path)
    except HFValidationError:
        raise ValueError(
            f"`backbone` must be 'multiscale', a Hugging Face model's id, or a folder with one; got {path!r}, "
            "which is neither a folder here nor 'owner/name'. Check the path."
        ) from None


def _is_cached(path: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(path, "config.json"), str)


def _refusal(path: str) -> str | None:
    """Return why the hub gives no files of a model, as the end of a sentence; None if it does."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

    advice = (
        "Pass a folder with the model, download it to the cache beforehand on a machine with a network "
        f"(`hf download {path}`), or use backbone='multiscale', which needs no download."
    )
    if constants.HF_HUB_OFFLINE:
        return f"is not in the cache, and HF_HUB_OFFLINE forbids to download it. {advice}"
    url = hf_hub_url(path, "config.json")
    host = urlsplit(url).netloc
    contact = _Contact(url)
    contact.start()
    contact.connected.wait(_CONNECT_SECONDS)
    if contact.seconds is None:
        return f"is not in the cache, and the hub at {host} cannot be reached. {advice}"
    shortest, longest = _ANSWER_SECONDS
    answered = contact.answered.wait(min(max(shortest, _ANSWER_PER_CONNECT * contact.seconds), longest))
    error = contact.error if answered else TimeoutError()
    if error is None:
        return None
    if isinstance(error, GatedRepoError):
        return (
            f"is gated: the hub at {host} gives it to accounts that have accepted its terms. "
            "Accept them on the model's page, then run `hf auth login`, or pass a folder with the model."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"does not exist on the hub at {host}, or is private. Check the spelling; for a private model run "
            "`hf auth login`."
        )
    if isinstance(error, EntryNotFoundError):
        return (
            f"has no config.json on the hub at {host}, so it is not a transformers model. Pass another id, or a "
            "callable."
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    answer = f"answers with status {status}" if status else f"does not answer ({type(error).__name__})"
    return f"is not in the cache, and the hub at {host} {answer}. Try again later. {advice}"


class _Contact(threading.Thread):
    """Connects to the server of a URL, or to the proxy on the way to it, then asks for the file there.

    It is a thread, since neither looking up a name nor what huggingface_hub asks besides has a time limit of ours.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True, name="ncut-hub-contact")
        self._url, self._server = url, _server(url)
        self.connected, self.answered = threading.Event(), threading.Event()
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
            get_hf_file_metadata(self._url, timeout=_ANSWER_SECONDS[1])
        # The first is the base of all errors of the HTTP library that huggingface_hub uses.
        except (HTTPError, OSError) as error:
            self.error = error
        finally:
            self.connected.set()
            self.answered.set()


def _server(url: str) -> tuple[str, int]:
    """Return the host and port to connect to for a URL: its own, or those of a proxy."""
    server = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(server.hostname or ""):
        server = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return server.hostname or "", server.port or _PORTS.get(server.scheme, 80)


@contextmanager
def _explained(path: str, refusal: str | None, part: str) -> Iterator[None]:
    """Turn what loaders raise into one error that says what is wrong with the checkpoint."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, ImportError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        if refusal is not None:
            raise ValueError(f"`backbone` {path!r} {refusal}") from error
        what = "folder" if os.path.isdir(path) else "model"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"its {part} cannot be loaded" if part != "model" else "transformers cannot build it"
        if os.path.isdir(path) and part == "config.json" and not os.path.isfile(os.path.join(path, part)):
            reason, lines = "it has no config.json", ["`model.save_pretrained(folder)` writes one"]
        elif os.path.isdir(path) and part == "weights" and not any(map(_is_weights, os.listdir(path))):
            reason, lines = "it has no weights", ["`model.save_pretrained(folder)` writes model.safetensors"]
        advice = "Pass a complete folder" if os.path.isdir(path) else "Download it again"
        raise ValueError(
            f"`backbone` must be 'multiscale', a Hugging Face model's id, or a folder with one; the {what} {path!r} is "
            f"not usable: {reason} ({lines[0]}). {advice}, or (model, image processor)."
        ) from error


def _is_weights(name: str) -> bool:
    return name.endswith((".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json"))


def _check_complete(path: str, model: Any, missing: Any) -> None:
    """Raise if parts of the model that see images were left at random values."""
    part, _ = find_vision_model(model)
    prefix = next(name for name, module in model.named_modules() if module is part)
    lost = sorted(
        key
        for key in missing
        if key.startswith(f"{prefix}." if prefix else "") and not _UNUSED_PARTS & set(key.split("."))
    )
    if lost:
        raise ValueError(
            f"`backbone` must have all of its weights; {path!r} lacks {len(lost)} of them, such as {lost[0]!r}, which "
            "would be random. Pass a complete checkpoint."
        )
