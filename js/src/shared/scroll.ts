/** Scrolls an area until an element in it is visible. Unlike `scrollIntoView`, it does not scroll the page. */
export function scrollToShow(area: Element, element: Element | null): void {
  if (!element) return;
  const { top, bottom } = element.getBoundingClientRect();
  const visible = area.getBoundingClientRect();
  const by = Math.min(0, top - visible.top) || Math.max(0, bottom - visible.bottom);
  if (by) area.scrollTop += by;
}
