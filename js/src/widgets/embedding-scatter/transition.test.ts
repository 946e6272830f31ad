import { expect, test } from "vitest";
import { bounds } from "./camera.ts";
import { type Cloud, Transition } from "./transition.ts";

function cloud(coords: number[], color: number, position: [number, number, number]): Cloud {
  const places = Float32Array.from(coords);
  const colors = new Uint8ClampedArray((coords.length / 3) * 4).fill(color);
  return { coords: places, colors, bounds: bounds(places), camera: { position, target: [0, 0, 0], zoom: 1 } };
}

const FROM = cloud([0, 0, 0, 1, 1, 1], 0, [0, -10, 0]);
const TO = cloud([4, 0, 0, 1, -3, 1], 200, [0, -20, 0]);

test("points, colors and camera move monotonically to the target", () => {
  const transition = new Transition(FROM, TO);
  const first = transition.at(1000)!;
  expect([...first.coords]).toEqual([...FROM.coords]);
  expect(first.camera).toEqual(FROM.camera);
  let last = -1;
  for (const now of [1010, 1100, 1200, 1300, 1399]) {
    const { coords, colors, camera, bounds: box } = transition.at(now)!;
    expect(coords[0]!).toBeGreaterThan(last);
    last = coords[0]!;
    expect(colors[0]!).toBeCloseTo(last * 50, -0.5);
    expect(camera.position[1]).toBeCloseTo(-10 - last * 2.5, 4);
    for (let p = 0; p < coords.length; p++) {
      expect(coords[p]!).toBeGreaterThanOrEqual(box.low[p % 3]! - 1e-5);
      expect(coords[p]!).toBeLessThanOrEqual(box.high[p % 3]! + 1e-5);
    }
  }
  expect(transition.at(1400)).toBeNull();
  expect(transition.end).toBe(TO);
});

test("slow frames show intermediate steps", () => {
  const transition = new Transition(FROM, TO);
  const seen = [0, 60_000, 120_000, 180_000].map((now) => transition.at(now)!.coords[0]!);
  expect(new Set(seen).size).toBe(4);
  expect(transition.at(240_000)).toBeNull();
});

test("colors changed during a transition appear immediately", () => {
  const transition = new Transition(FROM, TO);
  transition.at(0);
  const chosen = new Uint8ClampedArray(8).fill(77);
  transition.recolor(chosen);
  expect(transition.at(200)!.colors).toBe(chosen);
  expect(transition.end.colors).toBe(chosen);
  expect(transition.end.coords).toBe(TO.coords);
});
