import { expect, it } from "vitest";
import { uniqueName } from "./unique-name.ts";

it("adds a number only to a taken name", () => {
  expect(uniqueName([], "sky")).toBe("sky");
  expect(uniqueName([{ name: "sky" }, { name: "sky 2" }], "sky")).toBe("sky 3");
});

it("numbers from 1 if requested", () => {
  expect(uniqueName([], "object", { numbered: true })).toBe("object 1");
  expect(uniqueName([{ name: "object 1" }], "object", { numbered: true })).toBe("object 2");
});
