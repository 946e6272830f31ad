/**
 * Theme and input device of the page. Theme: hosts mark `body` or `html`, each in its own way; otherwise the system setting
 * applies. Input device: that of the last pointer event, initially a guess from the device.
 */
import { sharedOnPage } from "../../shared/page.ts";

/** Theme attributes of Colab, Sphinx (furo, pydata), Bootstrap and Quarto, MkDocs, GitHub, VS Code. */
const ATTRIBUTES = [
  "data-vscode-theme-kind", "theme", "data-theme", "data-bs-theme", "data-md-color-scheme", "data-color-scheme", "data-color-mode",
];
/** "vscode-dark", "quarto-light", "dark-theme", "theme-dark" and so on; not "bg-light", a color of one element. */
const CLASS = /^(?:(?:vscode|quarto|theme|mode)-)?(dark|light|high-contrast(?:-light)?)(?:-(?:theme|mode))?$/;
const DARK = /dark|slate|high-contrast(?!-light)/;
const LIGHT = /light|default/;

/** Whether an element is marked as dark; undefined if it has no theme marker. */
function markedDark(element: HTMLElement): boolean | undefined {
  const jupyter = element.dataset.jpThemeLight;
  if (jupyter !== undefined) return jupyter === "false";
  const marks = ATTRIBUTES.map((name) => element.getAttribute(name)?.toLowerCase());
  for (const mark of [...marks, ...[...element.classList].filter((name) => CLASS.test(name))]) {
    // "auto" and "system" match neither.
    if (mark && DARK.test(mark)) return true;
    if (mark && LIGHT.test(mark)) return false;
  }
  return undefined;
}

/** Shared by all views of a page, which keeps nested views consistent; closed with the last view. */
class PageAppearance {
  #dark = false;
  #touch = window.matchMedia("(pointer: coarse)").matches;
  #roots = new Set<HTMLElement>();
  #system = window.matchMedia("(prefers-color-scheme: dark)");
  #listening = new AbortController();
  #observer = new MutationObserver(() => this.#update());
  #close: () => void;

  constructor(close: () => void) {
    this.#close = close;
    for (const element of [document.documentElement, document.body]) this.#observer.observe(element, { attributes: true });
    const { signal } = this.#listening;
    this.#system.addEventListener("change", () => this.#update(), { signal });
    for (const type of ["pointerdown", "pointermove"] as const) {
      document.addEventListener(type, (event) => this.#point(event), { signal, capture: true, passive: true });
    }
    this.#update();
  }

  follow(root: HTMLElement, abort: AbortSignal): void {
    this.#roots.add(root);
    this.#show(root);
    abort.addEventListener("abort", () => {
      this.#roots.delete(root);
      if (this.#roots.size > 0) return;
      this.#observer.disconnect();
      this.#listening.abort();
      this.#close();
    });
  }

  #update(): void {
    this.#dark = markedDark(document.body) ?? markedDark(document.documentElement) ?? darkByColorScheme() ?? this.#system.matches;
    for (const root of this.#roots) this.#show(root);
  }

  #point({ pointerType }: PointerEvent): void {
    if (this.#touch === (pointerType === "touch")) return;
    this.#touch = !this.#touch;
    for (const root of this.#roots) this.#show(root);
  }

  #show(root: HTMLElement): void {
    const theme = this.#dark ? "dark" : "light";
    // Observers of the attribute are notified even if the value is the same.
    if (root.dataset.theme !== theme) root.dataset.theme = theme;
    root.dataset.pointer = this.#touch ? "touch" : "mouse";
  }
}

/** The page's `color-scheme`, if it allows only one. */
function darkByColorScheme(): boolean | undefined {
  const schemes = getComputedStyle(document.documentElement).colorScheme?.split(" ") ?? [];
  const dark = schemes.includes("dark");
  return dark === schemes.includes("light") ? undefined : dark;
}

/** Keep `data-theme` ("light" or "dark") and `data-pointer` ("mouse" or "touch") of a root up to date until `abort`. */
export function followPage(root: HTMLElement, abort: AbortSignal): void {
  if (abort.aborted) return;
  const page = sharedOnPage();
  page.look ??= new PageAppearance(() => { delete page.look; });
  page.look.follow(root, abort);
}
