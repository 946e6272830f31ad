"""What the segmenter exports, by the page alone and with the help of the kernel."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
from PIL import Image

from ncut_widgets.export import load_clicks
from segmenter import SKY, SUIT


def test_masks_overlays_and_clicks_are_exported(segmenter, tmp_path):
    segmenter.click(SUIT)
    segmenter.page.keyboard.press("n")
    segmenter.objects(lambda objects: len(objects) == 2)
    segmenter.click(SKY)
    segmenter.objects(lambda objects: len(objects) == 2 and bool(objects[1]["clicks"]))
    images = segmenter.python.images
    name, content = segmenter.download("Masks")
    assert name == "masks.zip"
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    segmenter.python.objects = segmenter.host.get("objects")
    masks = segmenter.python.masks(resolution="pixel")
    entries = json.loads(archive.read("masks.json"))["masks"]
    assert [entry["object"] for entry in entries] == ["object 1"] * 4 + ["object 2"] * 4
    for entry, image in zip(entries, [*range(4)] * 2, strict=True):
        assert entry["image"] == segmenter.host.get("meta")["images"][image]["name"]
        with Image.open(io.BytesIO(archive.read(entry["file"]))) as png:
            found = np.asarray(png)
        assert set(np.unique(found)) <= {0, 255}
        assert ((found > 0) != masks[entry["object"]][image]).mean() < 0.005

    name, content = segmenter.download("Overlays")
    assert name == "overlays.zip"
    archive = zipfile.ZipFile(io.BytesIO(content))
    color = np.array([int(segmenter.host.get("objects")[1]["color"][i : i + 2], 16) for i in (1, 3, 5)])
    with Image.open(io.BytesIO(archive.read(archive.namelist()[SKY[0]]))) as png:
        assert png.size == images[SKY[0]].size
        x, y = (int(value) for value in segmenter.middle(*SKY))
        expected = 0.3 * np.array(images[SKY[0]].getpixel((x, y))) + 0.7 * color
        assert np.abs(np.array(png.getpixel((x, y))) - expected).max() < 6

    name, content = segmenter.download("Clicks")
    assert name == "clicks.json"
    (tmp_path / name).write_bytes(content)
    assert load_clicks(tmp_path / name, images) == segmenter.host.get("objects")


def test_the_kernel_exports_further_formats(lab_segmenter):
    lab_segmenter.click(SUIT)
    lab_segmenter.clicks(1)
    lab_segmenter.root.get_by_role("combobox", name="Resolution").select_option("patch")
    masks = lab_segmenter.masks()["object 1"]
    name, content = lab_segmenter.download("COCO")
    document = json.loads(content)
    assert (name, [category["name"] for category in document["categories"]]) == ("coco.json", ["object 1"])
    assert {image["id"]: (image["height"], image["width"]) for image in document["images"]} == {
        image["id"]: mask.shape for image, mask in zip(document["images"], masks, strict=True)
    }
    name, content = lab_segmenter.download("NPZ")
    assert name == "masks.npz"
    with np.load(io.BytesIO(content)) as arrays:
        assert sum(int(np.sum(arrays[key])) for key in arrays if arrays[key].dtype == bool) == sum(
            m.sum() for m in masks
        )
    name, content = lab_segmenter.download("Labels")
    assert name == "labels.zip"
    with Image.open(io.BytesIO(zipfile.ZipFile(io.BytesIO(content)).read("astronaut.png"))) as png:
        np.testing.assert_array_equal(np.asarray(png), masks[1])
