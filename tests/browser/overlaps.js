/**
 * What of an explorer on the page lies over something else or is cut off, as sentences: texts and controls as a user
 * sees them. What lies over the images or the cloud by design, and hides none of their controls, is left out.
 */
() => {
  const root = document.querySelector("[data-ncut-view=explorer]");
  const problems = [];
  const name = (element) => {
    const text = element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 40);
    return `${element.tagName.toLowerCase()}.${element.classList[0] ?? ""} "${text}"`;
  };
  const OVER_IMAGES = ".ncut-tiles, .ncut-stage, .ncut-messages, .ncut-tasks, .ncut-hidden, [aria-hidden=true] *";

  /** The part of an element's boxes that no ancestor with an overflow of its own cuts off. */
  const visiblePart = (element, box) => {
    let { left, top, right, bottom } = box;
    for (let at = element.parentElement; at && at !== root.parentElement; at = at.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(at);
      const outer = at.getBoundingClientRect();
      if (overflowX !== "visible") [left, right] = [Math.max(left, outer.left), Math.min(right, outer.right)];
      if (overflowY !== "visible") [top, bottom] = [Math.max(top, outer.top), Math.min(bottom, outer.bottom)];
    }
    return right - left > 1 && bottom - top > 1 ? { left, top, right, bottom } : null;
  };
  /** Whether it can be scrolled into sight sideways, or is meant to end in dots. */
  const endsOnPurpose = (element) => {
    for (let at = element; at && at !== root.parentElement; at = at.parentElement) {
      const { overflowX, textOverflow } = getComputedStyle(at);
      if (textOverflow === "ellipsis" || ((overflowX === "auto" || overflowX === "scroll") && at.scrollWidth > at.clientWidth + 1)) return true;
    }
    return false;
  };

  const seen = [];
  const add = (element, box, what) => {
    if (box.width < 2 || box.height < 2) return;
    const part = visiblePart(element, box);
    if (!part) return;
    if (part.left < -1 || part.right > document.documentElement.clientWidth + 1) problems.push(`${what} is beyond the edge of the page`);
    if (!endsOnPurpose(element) && (part.left > box.left + 2 || part.right < box.right - 2)) problems.push(`${what} is cut off`);
    seen.push({ element, what, ...part });
  };
  for (const element of root.querySelectorAll("*")) {
    const { visibility, opacity } = getComputedStyle(element);
    if (visibility === "hidden" || opacity === "0" || element.closest(OVER_IMAGES) || !element.getClientRects().length) continue;
    if (element.matches("button, input, select, progress, output, a[href], [role=option]")) {
      add(element, element.getBoundingClientRect(), name(element));
      continue;
    }
    for (const node of element.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE || !node.textContent.trim() || element.closest("button, select, option, [role=option]")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) add(element, box, `the text "${node.textContent.trim().slice(0, 40)}"`);
    }
  }
  for (const [i, one] of seen.entries()) {
    for (const other of seen.slice(i + 1)) {
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 1.5 && down > 1.5) problems.push(`${one.what} and ${other.what} overlap by ${across.toFixed(0)} x ${down.toFixed(0)}`);
    }
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) problems.push("the page scrolls sideways");
  return problems;
}
