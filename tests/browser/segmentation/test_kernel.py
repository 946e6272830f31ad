"""What the segmenter does only where there is a kernel."""

from __future__ import annotations

from playwright.sync_api import expect

from segmenter import SKY, SUIT


def test_clicks_set_in_python_update_the_page(lab_segmenter):
    notebook = lab_segmenter.host.notebook
    x, y = lab_segmenter.middle(*SUIT)
    notebook.execute(f"explorer.session.clicks = [{{'image': {SUIT[0]}, 'x': {x}, 'y': {y}}}]")
    expect(lab_segmenter.marks(SUIT[0])).to_have_count(1)
    lab_segmenter.shows_what_python_has()
    notebook.execute("seen = []; explorer.session.observe(lambda change: seen.append(len(change.new)), 'clicks')")
    lab_segmenter.click(SKY)
    notebook.wait_for("seen == [2]")
    lab_segmenter.page.keyboard.press("Control+z")
    lab_segmenter.page.keyboard.press("Control+z")
    lab_segmenter.objects(lambda objects: objects == [])
    expect(lab_segmenter.marks(SUIT[0])).to_have_count(0)


def test_the_kernel_refines_masks_and_cuts_the_graph(lab_segmenter):
    lab_segmenter.click(SUIT)
    lab_segmenter.clicks(1)
    lab_segmenter.shows_what_python_has()
    lab_segmenter.radio("Graph").click()
    lab_segmenter.objects(lambda objects: objects[0]["method"] == "ncut")
    lab_segmenter.shows_what_python_has()
    lab_segmenter.radio("Guided").click()
    lab_segmenter.host.wait("refine", lambda refine: refine == "guided")
    columns = lab_segmenter.host.maps()[SUIT[0]]["columns"]
    lab_segmenter.host.until(lambda: lab_segmenter.drawn(SUIT[0]).shape[1] > 4 * columns, "a mask of pixels is drawn")
    refined = lab_segmenter.masks("pixel")["object 1"][SUIT[0]]
    assert ((lab_segmenter.drawn(SUIT[0])[..., 3] > 0) == refined).mean() > 0.99
    # Patches have edges, pixels none.
    expect(lab_segmenter.tile(SUIT[0]).locator(".ncut-outlines")).to_have_count(0)
