/** Adds an entry to a map and removes the oldest one if there are more than `size` (maps keep insertion order). */
export function setBounded<K, V>(map: Map<K, V>, key: K, value: V, size: number): void {
  map.set(key, value);
  if (map.size > size) map.delete(map.keys().next().value!);
}
