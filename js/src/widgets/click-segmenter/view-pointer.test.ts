import { describe, expect, it, vi } from "vitest";
import { PAGE, shown } from "../../testing/click-segmenter.ts";
import { onPage } from "../../testing/view.ts";

onPage(PAGE);

describe("mouse", () => {
  it("adds points, or negative ones by Alt, Control or right-click", async () => {
    const { store, press, one, tile, settled } = await shown({ selection: [3] });
    press(0, 50, 100);
    expect(store.get("objects")).toMatchObject([{ name: "object 1", clicks: [{ image: 0, x: 50, y: 100, positive: true }] }]);
    expect(store.get("active_object")).toBe(0);
    expect(store.get("layer")).toBe("masks");
    expect(store.get("selection")).toEqual([]);
    for (const more of [{ altKey: true }, { ctrlKey: true }, { button: 2 }]) press(1, 350, 100, more);
    expect(one().clicks.slice(1)).toEqual(Array(3).fill({ image: 1, x: 350, y: 100, positive: false }));
    await settled();
    expect(tile(0).querySelector("[data-prompt='clicks 0']")!.getAttribute("data-sign")).toBe("+");
    expect(tile(1).querySelector("[data-prompt='clicks 1']")!.getAttribute("data-sign")).toBe("-");
  });

  it("outlines the mask in all images", async () => {
    const { press, tile, settled } = await shown();
    press(0, 50, 100);
    await settled();
    // Between the second and third columns of each image.
    for (const image of [0, 1]) expect(tile(image).querySelector(".ncut-outlines path")!.getAttribute("d")).toBe("M2 0V3");
  });

  it("drags a point in one undo step", async () => {
    const { store, press, drag, tile, one, named, settled } = await shown();
    press(0, 50, 100);
    await settled();
    drag(tile(0).querySelector("[data-prompt]")!, [50, 100], [150, 160]);
    expect(one().clicks).toMatchObject([{ x: 150, y: 160 }]);
    named("Undo").click();
    expect(one().clicks).toMatchObject([{ x: 50, y: 100 }]);
    named("Redo").click();
    expect(one().clicks).toMatchObject([{ x: 150, y: 160 }]);
    expect(store.history).toEqual({ undo: 2, redo: 0 });
  });

  it("ignores drags, button presses and second pointers", async () => {
    const { store, drag, tile, pointer, at } = await shown();
    drag(tile(0), [50, 100], [150, 160]);
    pointer("pointerdown", tile(0).querySelector("button")!, ...at(10, 10));
    pointer("pointerup", tile(0), ...at(10, 10));
    pointer("pointerdown", tile(0), ...at(10, 10));
    pointer("pointerdown", tile(0), ...at(90, 90), { pointerId: 2 });
    pointer("pointerup", tile(0), ...at(10, 10));
    expect(store.get("objects")).toEqual([]);
  });

  it("draws, moves and removes boxes", async () => {
    const { press, drag, tile, one, key, settled, root } = await shown();
    press(0, 50, 100);
    root.querySelector<HTMLElement>("[value='box']")!.click();
    drag(tile(1), [300, 200], [100, 50], { altKey: true });
    expect(one().boxes).toEqual([{ image: 1, x0: 100, y0: 50, x1: 300, y1: 200, positive: false }]);
    press(1, 20, 20);
    expect(one().clicks).toHaveLength(1);
    await settled();
    drag(tile(1).querySelector("[data-prompt='boxes 0']")!, [100, 50], [120, 10]);
    expect(one().boxes).toMatchObject([{ x0: 120, y0: 10, x1: 320, y1: 160 }]);
    key("Delete");
    expect(one()).toMatchObject({ boxes: [], clicks: [{ x: 50 }] });
  });

  it("cancels a drag on Escape", async () => {
    const { press, pointer, tile, at, one, key, settled, root } = await shown();
    press(0, 50, 100);
    await settled();
    const mark = tile(0).querySelector("[data-prompt]")!;
    pointer("pointerdown", mark, ...at(50, 100));
    pointer("pointermove", mark, ...at(150, 100));
    expect(one().clicks).toMatchObject([{ x: 150 }]);
    key("Escape");
    expect(one().clicks).toMatchObject([{ x: 50 }]);
    root.querySelector<HTMLElement>("[value='box']")!.click();
    pointer("pointerdown", tile(0), ...at(50, 100));
    pointer("pointermove", tile(0), ...at(250, 200));
    await settled();
    expect(tile(0).querySelector(".ncut-box")).not.toBeNull();
    key("Escape");
    pointer("pointerup", tile(0), ...at(250, 200));
    await settled();
    expect(tile(0).querySelector(".ncut-box")).toBeNull();
    expect(one().boxes).toEqual([]);
  });

  it("shows the click mode in the cursor", async () => {
    const { root, key, named, settled } = await shown();
    const sign = () => root.querySelector<HTMLElement>(".ncut-segmenter")!.dataset.sign;
    expect(sign()).toBe("+");
    key("Alt", { altKey: true });
    await settled();
    expect(sign()).toBe("-");
    key("Alt", { altKey: false });
    await settled();
    expect(sign()).toBe("+");
    named("Click mode").querySelector<HTMLElement>("[value='-']")!.click();
    await settled();
    expect(sign()).toBe("-");
  });
});

describe("touch", () => {
  it("removes the selected prompt with a button", async () => {
    const { press, drag, tile, one, named, settled, root } = await shown();
    const touch = { pointerType: "touch" };
    expect(named("Delete point").getAttribute("aria-disabled")).toBe("true");
    press(0, 50, 100, touch);
    press(0, 350, 100, touch);
    root.querySelector<HTMLElement>("[value='box']")!.click();
    drag(tile(1), [100, 50], [300, 200], touch);
    await settled();
    named("Delete box").click();
    expect(one()).toMatchObject({ boxes: [], clicks: [{ x: 50 }, { x: 350 }] });
    await settled();
    expect(named("Delete point").getAttribute("aria-disabled")).toBe("true");
    named("Delete point").click();
    expect(one().clicks).toHaveLength(2);
    drag(tile(0).querySelector("[data-prompt='clicks 0']")!, [50, 100], [50, 100], touch);
    await settled();
    named("Delete point").click();
    expect(one().clicks).toMatchObject([{ x: 350 }]);
    expect(root.querySelector("[data-object]")).not.toBeNull();
  });

  it("adds negative points in remove mode; long presses do nothing", async () => {
    const { press, pointer, tile, at, one, named } = await shown();
    const touch = { pointerType: "touch" };
    press(0, 50, 100, touch);
    named("Click mode").querySelector<HTMLElement>("[value='-']")!.click();
    press(1, 350, 100, touch);
    expect(one().clicks.map(({ positive }) => positive)).toEqual([true, false]);
    pointer("pointerdown", tile(0), ...at(10, 10), { ...touch, time: 1000 });
    pointer("pointerup", tile(0), ...at(10, 10), { ...touch, time: 1700 });
    expect(one().clicks).toHaveLength(2);
    const menu = new Event("contextmenu", { bubbles: true, cancelable: true });
    const notebook = vi.fn();
    document.addEventListener("contextmenu", notebook);
    tile(0).dispatchEvent(menu);
    document.removeEventListener("contextmenu", notebook);
    expect(menu.defaultPrevented).toBe(true);
    expect(notebook).not.toHaveBeenCalled();
  });
});
