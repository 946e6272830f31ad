/** Adds an entry to a map and removes the oldest entries beyond `size`: a Map iterates in insertion order. */
export function setBounded<K, V>(map: Map<K, V>, key: K, value: V, size: number): void {
  map.set(key, value);
  if (map.size > size) map.delete(map.keys().next().value!);
}
