import { describe, expect, it, vi } from "vitest";
import { PAGE, recordDownloads, shown } from "../../testing/click-segmenter.ts";
import { META } from "../../testing/session.ts";
import { onPage } from "../../testing/view.ts";
import { blankObject } from "./objects.ts";

onPage(PAGE);
const downloads = recordDownloads();

describe("with a kernel", () => {
  const KERNEL = { meta: { ...META, abilities: ["refine", "ncut", "export"] } };

  it("offers only the available methods", async () => {
    const { root, named } = await shown();
    expect(named("Method")).toBeNull();
    expect(named("Edges")).toBeNull();
    expect([...root.querySelectorAll(".ncut-export button")].map((button) => button.textContent)).toEqual(["Masks", "Overlays", "Clicks"]);
  });

  it("cuts the graph with progress, cancellation and retry", async () => {
    const { root, press, named, slide, kernel, one, settled } = await shown(KERNEL);
    press(0, 50, 100);
    await settled();
    named("Method").querySelector<HTMLElement>("[value=ncut]")!.click();
    slide("Click weight", 0.25);
    expect(one()).toMatchObject({ method: "ncut", click_weight: 0.25 });
    await vi.waitFor(() => expect(kernel.names()).toContain("click_heat/4//0.250"));
    await vi.waitFor(() => expect(root.querySelector(".ncut-tasks")!.textContent).toContain("object 1"));
    root.querySelector<HTMLElement>(".ncut-task button")!.click();
    await vi.waitFor(() => expect(root.querySelector(".ncut-task")).toBeNull());
    expect(root.querySelector("[role=alert]")!.textContent).toContain("Choose Graph again");
    named("Method").querySelector<HTMLElement>("[value=ncut]")!.click();
    await vi.waitFor(() => expect(kernel.names(/click_heat/)).toHaveLength(2));
    expect(root.querySelector("[role=alert]")).toBeNull();
  });

  it("passes one node per box to graph cuts, after the clicks", async () => {
    const { press, drag, tile, root, named, kernel, settled } = await shown(KERNEL);
    root.querySelector<HTMLElement>("[value='box']")!.click();
    // The columns of each half are similar.
    drag(tile(0), [210, 110], [390, 290]);
    drag(tile(1), [10, 10], [90, 90], { altKey: true });
    root.querySelector<HTMLElement>("[value='point']")!.click();
    await settled();
    expect(named<HTMLInputElement>("Gamma").disabled).toBe(false);
    named("Method").querySelector<HTMLElement>("[value=ncut]")!.click();
    await settled();
    for (const name of ["Detail: number of eigenvectors", "Gamma", "Negative threshold"]) {
      expect(named<HTMLInputElement>(name).disabled).toBe(true);
    }
    expect(named<HTMLInputElement>("Threshold").disabled).toBe(false);
    await vi.waitFor(() => expect(kernel.names(/click_heat/)).toHaveLength(1));
    const [, positive, negative] = kernel.names(/click_heat/)[0]!.split("/");
    // Rows 1 and 2, columns 2 and 3 of the first image.
    expect(["6", "7", "10", "11"]).toContain(positive);
    expect(negative).toBe("12");
    press(0, 50, 100);
    await vi.waitFor(() => expect(kernel.names(/click_heat/).at(-1)).toBe(`click_heat/4,${positive}/12/0.500`));
  });

  it("repeats a cancelled refinement when it is chosen again", async () => {
    const { root, press, named, kernel, settled } = await shown(KERNEL);
    kernel.holds = /refined/;
    press(0, 50, 100);
    await settled();
    const choose = () => named("Edges").querySelector<HTMLElement>("[value=crf]")!.click();
    choose();
    await vi.waitFor(() => expect(root.querySelector(".ncut-task")).not.toBeNull());
    const asked = kernel.names(/refined/).length;
    root.querySelector<HTMLElement>(".ncut-task button")!.click();
    await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("Choose CRF again"));
    choose();
    await vi.waitFor(() => expect(kernel.names(/refined/)).toHaveLength(2 * asked));
  });

  it("exports files and reports failures", async () => {
    const { root, press, named, commit, kernel, settled } = await shown(KERNEL);
    named("Export COCO").click();
    expect(kernel.held).toEqual([]);
    press(0, 50, 100);
    await settled();
    commit(named<HTMLSelectElement>("Resolution"), "patch");
    named("Export COCO").click();
    // The request contains all inputs, because traits reach the kernel with a delay.
    const params = { format: "coco", resolution: "patch", source: "a", refine: null, opacity: 0.7, objects: [{ clicks: [{ image: 0 }] }] };
    await vi.waitFor(() => expect(kernel.held).toMatchObject([{ name: "export", params }]));
    kernel.answer(kernel.held[0]!, [Uint8Array.of(123, 125), "uint8", [2]]);
    await vi.waitFor(() => expect(downloads).toHaveLength(1));
    expect(downloads[0]!.name).toBe("coco.json");
    expect(await downloads[0]!.blob.text()).toBe("{}");
    named("Export NPZ").click();
    await vi.waitFor(() => expect(kernel.held).toHaveLength(2));
    kernel.fail(kernel.held[1]!, "no room on the disk");
    await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("no room on the disk"));
  });
});

it("without a kernel reports missing graph cuts and exports none", async () => {
  const object = { ...blankObject([]), n_eig: 2, method: "ncut" as const, clicks: [{ image: 0, x: 50, y: 100, positive: true }] };
  const { root, named, press, settled, kernel, one, key } = await shown({ objects: [object], active_object: 0 });
  const method = (value: string) => named("Method").querySelector<HTMLButtonElement>(`[value=${value}]`)!;
  expect(method("ncut").getAttribute("aria-checked")).toBe("true");
  expect(method("ncut").getAttribute("aria-disabled")).toBe("true");
  expect(named<HTMLInputElement>("Click weight").disabled).toBe(true);
  await vi.waitFor(() => expect(kernel.held).toHaveLength(1));
  const half = Float32Array.from({ length: 24 }, (_, node) => Number(node % 4 < 2));
  kernel.answer(kernel.held[0]!, [half, "float32", [24]]);
  const share = () => root.querySelector("[data-object] output")!.textContent;
  await vi.waitFor(() => expect(share()).toBe("50.0%"));

  press(0, 350, 100);
  await vi.waitFor(() => expect(share()).toBe(""));
  expect(root.querySelector(".ncut-outlines")).toBeNull();
  await vi.waitFor(() => expect(kernel.held).toHaveLength(2));
  kernel.fail(kernel.held[1]!, "the array is not included in this file");
  await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("require a kernel"));
  named("Undo").click();
  await vi.waitFor(() => expect(share()).toBe("50.0%"));
  expect(root.querySelector("[role=alert]")).toBeNull();
  named("Redo").click();
  await vi.waitFor(() => expect(kernel.held).toHaveLength(3));
  kernel.fail(kernel.held[2]!, "the array is not included in this file");
  await vi.waitFor(() => expect(root.querySelector("[role=alert]")).not.toBeNull());
  for (const format of ["Masks", "Overlays"]) {
    named(`Export ${format}`).click();
    await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("Export failed: object 1 has no mask"));
    root.querySelector<HTMLElement>("[aria-label=Dismiss]")!.click();
    await settled();
  }
  expect(downloads).toEqual([]);

  method("similarity").click();
  await vi.waitFor(() => expect(share()).not.toBe(""));
  expect(one().method).toBe("similarity");
  method("ncut").click();
  key("ArrowRight", {}, method("similarity"));
  expect(one().method).toBe("similarity");
});

it("exports clicks without a kernel", async () => {
  const { press, named, store, settled } = await shown();
  press(0, 50, 100);
  await settled();
  named("Export Clicks").click();
  await vi.waitFor(() => expect(downloads).toHaveLength(1));
  expect(downloads[0]!.name).toBe("clicks.json");
  expect(JSON.parse(await downloads[0]!.blob.text())).toMatchObject({ version: 1, images: META.images, objects: store.get("objects") });
});
