import { describe, expect, it, vi } from "vitest";
import { History } from "./history.ts";

describe("history", () => {
  it("undoes and redoes", () => {
    const history = new History<string>();
    history.push("one");
    history.push("two");
    expect(history.undo("three")).toBe("two");
    expect(history.undo("two")).toBe("one");
    expect(history.undo("one")).toBeUndefined();
    expect(history.redo("one")).toBe("two");
    expect(history.redo("two")).toBe("three");
    expect(history.redo("three")).toBeUndefined();
  });

  it("discards undone states after a new edit", () => {
    const history = new History<string>();
    history.push("one");
    history.undo("two");
    history.push("one");
    expect(history.redo("three")).toBeUndefined();
  });

  it("merges the edits of a gesture until it pauses", () => {
    const clock = vi.spyOn(performance, "now").mockReturnValue(0);
    const history = new History<number>();
    for (const value of [0, 1, 2]) history.push(value, "threshold");
    history.push(3, "gamma");
    clock.mockReturnValue(10_000);
    history.push(4, "gamma");
    clock.mockRestore();
    expect([history.undo(5), history.undo(4), history.undo(3), history.undo(0)]).toEqual([4, 3, 0, undefined]);
  });
});
