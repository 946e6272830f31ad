/** `stem` if no object has this name, else "stem 2", "stem 3" and so on; with `numbered` the first free of "stem 1", "stem 2"... */
export function uniqueName(objects: readonly { name: string }[], stem: string, { numbered = false } = {}): string {
  const taken = new Set(objects.map(({ name }) => name));
  if (!numbered && !taken.has(stem)) return stem;
  let number = numbered ? 1 : 2;
  while (taken.has(`${stem} ${number}`)) number++;
  return `${stem} ${number}`;
}
