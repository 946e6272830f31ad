"""`export_bytes` gives the same content as the functions that write files."""

from __future__ import annotations

import io
import zipfile

import pytest

from ncut_widgets.export import (
    export_bytes,
    load_coco,
    load_npz,
    save_clicks,
    save_coco,
    save_label_maps,
    save_masks,
    save_npz,
    save_overlays,
)

OBJECTS = [{"name": "tail", "color": "#123456"}, {"name": "left/paw"}, {"name": "hidden", "color": "#ffffff"}]
COLORS = {"tail": "#123456"}


@pytest.fixture
def disjoint_masks(masks):
    del masks["Ohr"]
    masks["tail"][0] &= ~masks["left/paw"][0]
    return masks


def unzipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("format", "save"),
    [
        ("masks", save_masks),
        ("overlays", lambda *arguments: save_overlays(*arguments, colors=COLORS, opacity=0.3)),
        ("labels", lambda *arguments: save_label_maps(*arguments, colors=COLORS)),
    ],
)
def test_zip_has_files_of_folder_export(images, disjoint_masks, tmp_path, format, save):
    name, content = export_bytes(format, images, disjoint_masks, OBJECTS, opacity=0.3)
    assert name == f"{format}.zip"
    paths = save(images, disjoint_masks, tmp_path)
    assert unzipped(content) == {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize(("format", "file", "save"), [("coco", "coco.json", save_coco), ("npz", "masks.npz", save_npz)])
def test_bytes_equal_saved_file(images, masks, tmp_path, format, file, save):
    name, content = export_bytes(format, images, masks)
    assert name == file
    assert content == save(images, masks, tmp_path / file).read_bytes()


def test_clicks_do_not_require_masks(images, tmp_path):
    name, content = export_bytes("clicks", images, objects=OBJECTS)
    assert name == "clicks.json"
    assert content == save_clicks(images, OBJECTS, tmp_path / name).read_bytes()


def test_low_resolution_masks_with_clicks_in_pixels(same, tmp_path, masks, infos):
    # Masks at patch resolution; clicks are in pixels of the original image.
    objects = [{"name": "tail", "color": "#123456", "clicks": [{"image": 0, "x": 999, "y": 999}]}]
    for format, load in (("coco", load_coco), ("npz", load_npz)):
        name, content = export_bytes(format, infos, masks, objects)
        (tmp_path / name).write_bytes(content)
        same(load(tmp_path / name)[1], masks)
    _, content = export_bytes("masks", infos, masks, objects)
    assert len(unzipped(content)) == 10


def test_missing_or_invalid_arguments_raise(images, masks):
    with pytest.raises(ValueError, match=r"`format` must be one of 'masks', .*; got 'jpeg'"):
        export_bytes("jpeg", images, masks)
    with pytest.raises(ValueError, match="`masks` is required for the format 'coco'"):
        export_bytes("coco", images)
    with pytest.raises(ValueError, match=r"`masks` must contain at least one object; got none. Click on an object"):
        export_bytes("npz", images, {})
