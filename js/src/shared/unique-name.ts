/** `stem`, or the first unused name among "stem 2", "stem 3" and so on; with `numbered` among "stem 1", "stem 2" and so on. */
export function uniqueName(objects: readonly { name: string }[], stem: string, { numbered = false } = {}): string {
  const taken = new Set(objects.map(({ name }) => name));
  if (!numbered && !taken.has(stem)) return stem;
  let number = numbered ? 1 : 2;
  while (taken.has(`${stem} ${number}`)) number++;
  return `${stem} ${number}`;
}
