import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { followPage } from "./appearance.ts";

const system = Object.assign(new EventTarget(), { matches: false });
const device = { isTouched: false };
const views: AbortController[] = [];

function view() {
  const root = document.createElement("div");
  const lifetime = new AbortController();
  views.push(lifetime);
  followPage(root, lifetime.signal);
  return { root, lifetime };
}

function unmark() {
  for (const element of [document.documentElement, document.body]) {
    for (const name of element.getAttributeNames()) element.removeAttribute(name);
  }
}

beforeEach(() => {
  system.matches = false;
  vi.spyOn(window, "matchMedia").mockImplementation((query) => (
    query.includes("color-scheme") ? system : Object.assign(new EventTarget(), { matches: device.isTouched })) as never);
});
afterEach(() => {
  for (const one of views.splice(0)) one.abort();
  unmark();
});

const HOSTS: [string, "html" | "body", string, string, string][] = [
  ["JupyterLab", "body", "data-jp-theme-light", "true", "false"],
  ["VS Code", "body", "data-vscode-theme-kind", "vscode-light", "vscode-dark"],
  ["VS Code, high contrast", "body", "data-vscode-theme-kind", "vscode-high-contrast-light", "vscode-high-contrast"],
  ["VS Code's classes", "body", "class", "vscode-light", "vscode-dark other"],
  ["Colab", "html", "theme", "light", "dark"],
  ["Sphinx with pydata's theme", "html", "data-theme", "light", "dark"],
  ["Sphinx with furo", "body", "data-theme", "light", "dark"],
  ["Quarto", "body", "class", "nav-fixed quarto-light", "nav-fixed quarto-dark"],
  ["Bootstrap", "html", "data-bs-theme", "light", "dark"],
  ["Bootstrap on the body", "body", "data-bs-theme", "light", "dark"],
  ["MkDocs", "body", "data-md-color-scheme", "default", "slate"],
  ["GitHub", "html", "data-color-mode", "light", "dark"],
  ["marimo", "body", "class", "light light-theme", "dark dark-theme"],
  ["Tailwind", "html", "class", "light", "dark"],
  ["a color-scheme property", "html", "style", "color-scheme: light", "color-scheme: dark"],
];

it.each(HOSTS)("follows %s instead of the system", async (_, where, name, light, dark) => {
  const element = where === "html" ? document.documentElement : document.body;
  system.matches = true;
  element.setAttribute(name, light);
  const { root } = view();
  expect(root.dataset.theme).toBe("light");
  system.matches = false;
  element.setAttribute(name, dark);
  await vi.waitFor(() => expect(root.dataset.theme).toBe("dark"));
  element.setAttribute(name, light);
  await vi.waitFor(() => expect(root.dataset.theme).toBe("light"));
});

it.each([
  ["no marker", "data-other", "dark"],
  ["an automatic theme", "data-theme", "auto"],
  ["colors of one element", "class", "bg-dark navbar-dark text-light"],
])("follows the system if the page has %s", (_, name, value) => {
  document.body.setAttribute(name, value);
  const { root } = view();
  expect(root.dataset.theme).toBe("light");
  system.matches = true;
  system.dispatchEvent(new Event("change"));
  expect(root.dataset.theme).toBe("dark");
});

it("observes the page once for all views, until the last is removed", () => {
  const observe = vi.spyOn(MutationObserver.prototype, "observe");
  const disconnect = vi.spyOn(MutationObserver.prototype, "disconnect");
  const [first, second] = [view(), view()];
  expect(observe.mock.calls.map(([element]) => element)).toEqual([document.documentElement, document.body]);
  first.lifetime.abort();
  expect(disconnect).not.toHaveBeenCalled();
  second.lifetime.abort();
  expect(disconnect).toHaveBeenCalledTimes(1);
  system.matches = true;
  system.dispatchEvent(new Event("change"));
  expect(second.root.dataset.theme).toBe("light");
  expect(view().root.dataset.theme).toBe("dark");
});

it.each([[false, "mouse", "touch", "touch"], [true, "touch", "pen", "mouse"]])(
  "reports the current input device to all views (touch screen: %s)", (isTouched, first, pointerType, then) => {
    device.isTouched = isTouched;
    const early = view();
    expect(early.root.dataset.pointer).toBe(first);
    document.dispatchEvent(Object.assign(new Event("pointerdown"), { pointerType }));
    // The last event counts, whatever the device is.
    const late = view();
    expect([early, late].map(({ root }) => root.dataset.pointer)).toEqual([then, then]);
  });
