import { describe, expect, it, vi } from "vitest";
import { PAGE, shown } from "../../testing/click-segmenter.ts";
import { onPage } from "../../testing/view.ts";

onPage(PAGE);

describe("keyboard", () => {
  it("adds, selects, moves and removes points, and creates objects", async () => {
    const { store, key, one } = await shown();
    key("PageDown");
    key("Enter");
    key("ArrowRight");
    key("Enter", { altKey: true });
    // Centers of the third and fourth columns, in the second row.
    expect(one().clicks).toMatchObject([{ x: 250, y: 150, positive: true }, { x: 350, y: 150, positive: false }]);
    key("ArrowLeft");
    key("Enter");
    expect(one().clicks).toHaveLength(2);
    key("ArrowUp", { shiftKey: true });
    expect(one().clicks).toMatchObject([{ x: 250, y: 50 }, { x: 350, y: 150 }]);
    key("Backspace");
    expect(one().clicks).toMatchObject([{ x: 350 }]);
    key("Delete");
    expect(one().clicks).toHaveLength(1);
    key("n");
    expect(store.get("objects")).toHaveLength(2);
    expect(store.get("active_object")).toBe(1);
  });

  it("undoes and redoes anywhere except in text fields", async () => {
    const { press, key, one, named, settled } = await shown();
    press(0, 50, 100);
    press(0, 60, 100);
    expect(key("z", { ctrlKey: true }).defaultPrevented).toBe(true);
    expect(one().clicks).toHaveLength(1);
    key("Z", { ctrlKey: true, shiftKey: true }, named("Threshold"));
    expect(one().clicks).toHaveLength(2);
    key("z", { metaKey: true });
    key("y", { ctrlKey: true });
    expect(one().clicks).toHaveLength(2);
    await settled();
    expect(key("z", { ctrlKey: true }, named("Name of object 1")).defaultPrevented).toBe(false);
    expect(one().clicks).toHaveLength(2);
  });
});

describe("panel", () => {
  it("has sliders that act immediately, with one undo step per drag", async () => {
    const { store, press, slide, one, named, settled } = await shown();
    expect(named<HTMLInputElement>("Threshold").disabled).toBe(true);
    press(0, 50, 100);
    await settled();
    for (const value of [0.6, 0.7, 0.8]) slide("Threshold", value);
    slide("Gamma", 0.5);
    slide("Negative threshold", 0.4);
    slide("Min area", 7);
    slide("Opacity", 0.3);
    expect(one()).toMatchObject({ threshold: 0.8, gamma: 3.162, negative_threshold: 0.4, min_area: 7 });
    expect(store.get("blend")).toBe(0.3);
    expect(store.history.undo).toBe(5);
  });

  it("lists objects with color, name, share and visibility", async () => {
    const { store, press, key, root, named, commit, input, settled } = await shown();
    press(0, 50, 100);
    key("n");
    await settled();
    const rows = () => [...root.querySelectorAll<HTMLElement>("[data-object]")];
    expect(rows().map((row) => row.querySelector("output")!.textContent)).toEqual(["50.0%", "0.0%"]);
    expect(rows().map((row) => row.dataset.active)).toEqual(["false", "true"]);
    rows()[0]!.querySelector<HTMLInputElement>("[type=radio]")!.click();
    expect(store.get("active_object")).toBe(0);
    commit(named<HTMLInputElement>("Name of object 1"), " hand ");
    expect(store.get("objects").map((object) => object.name)).toEqual(["hand", "object 2"]);
    await settled();
    input(named<HTMLInputElement>("Color of hand"), "#ff0000");
    named("Show hand").click();
    expect(store.get("objects")[0]).toMatchObject({ color: "#ff0000", visible: false });
    await settled();
    expect(root.querySelector(".ncut-outlines")).toBeNull();
  });

  it("has its own radio group in every view", async () => {
    const groups: string[] = [];
    for (let view = 0; view < 2; view++) {
      const { key, root, settled } = await shown();
      key("n");
      key("n");
      await settled();
      const names = new Set([...root.querySelectorAll<HTMLInputElement>("[data-object] [type=radio]")].map(({ name }) => name));
      expect(names.size).toBe(1);
      groups.push(...names);
    }
    expect(groups[0]).not.toBe(groups[1]);
  });

  it("rejects invalid names with a message", async () => {
    const { store, key, root, named, commit, settled } = await shown();
    key("n");
    key("n");
    await settled();
    const name = named<HTMLInputElement>("Name of object 2");
    commit(name, "object 1");
    await settled();
    expect(root.querySelector("[role=alert]")!.textContent).toContain("another object");
    expect(name.value).toBe("object 2");
    expect(store.get("objects")[1]!.name).toBe("object 2");
  });

  it("discards a rename on Escape and keeps the focus", async () => {
    const { store, key, named, input, settled } = await shown();
    key("n");
    await settled();
    const name = named<HTMLInputElement>("Name of object 1");
    const write = (text: string, end: string) => {
      name.focus();
      input(name, text);
      key(end, {}, name);
      expect(document.activeElement).toBe(named("object 1"));
    };
    write("hand", "Escape");
    expect(name.value).toBe("object 1");
    name.dispatchEvent(new Event("change", { bubbles: true }));
    expect(store.get("objects")[0]!.name).toBe("object 1");
    write("object 1", "Enter");
  });

  it("scrolls to the active object", async () => {
    const { key, root, named, settled } = await shown();
    const list = named("Active object");
    // The list is 100 pixels tall, with rows of 30.
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
      const row = this.dataset.object;
      return row === undefined ? new DOMRect(0, 20, 100, 100) : new DOMRect(0, 20 + 30 * Number(row) - list.scrollTop, 100, 30);
    });
    for (let i = 0; i < 5; i++) key("n");
    await vi.waitFor(() => expect(list.scrollTop).toBe(50));
    root.querySelector<HTMLElement>("[data-object='3'] [type=radio]")!.click();
    await settled();
    expect(list.scrollTop).toBe(50);
    root.querySelector<HTMLElement>("[data-object='1'] [type=radio]")!.click();
    await vi.waitFor(() => expect(list.scrollTop).toBe(30));
  });

  it("copies, clears and deletes the active object", async () => {
    const { store, press, root, button, settled } = await shown();
    press(0, 50, 100);
    await settled();
    const action = async (text: string) => {
      button(text).click();
      await settled();
    };
    await action("Copy");
    expect(store.get("objects")[1]).toMatchObject({ name: "object 1 copy 1", clicks: [{ x: 50 }] });
    await action("Clear");
    expect(store.get("objects").map(({ clicks }) => clicks.length)).toEqual([1, 0]);
    await action("Delete");
    expect(store.get("objects")).toHaveLength(1);
    await action("Delete");
    expect(store.get("objects")).toEqual([]);
    await action("Delete");
    expect(root.textContent).toContain("Click an image to begin");
  });
});
