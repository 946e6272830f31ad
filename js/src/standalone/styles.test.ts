/// <reference types="vite/types/importMeta.d.ts" />
import { expect, it } from "vitest";

const SHEETS = import.meta.glob<string>("../widgets/*/*.css", { query: "?raw", import: "default", eager: true });

it("class names are unique across the style sheets of an exported page", () => {
  const styled = new Map<string, string[]>();
  for (const [sheet, css] of Object.entries(SHEETS)) {
    const classes = css.matchAll(/^\s*\.(ncut-[\w-]+)(?=\s*[,{])/gm);
    for (const name of new Set([...classes].map(([, one]) => one!))) styled.set(name, [...(styled.get(name) ?? []), sheet]);
  }
  expect(styled.size).toBeGreaterThan(50);
  expect([...styled].filter(([, sheets]) => sheets.length > 1)).toEqual([]);
});
