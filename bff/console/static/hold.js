// A list that moves cannot be clicked: while somebody points at one, or has the focus in it, it stands still.
const HELD = "data-held";

function hold(list) {
  if (list.querySelector(`[${HELD}]`)) return;
  const mark = document.createElement("i");
  mark.setAttribute(HELD, "");
  mark.hidden = true;
  list.append(mark);
}

function release(list) {
  if (!list.matches(":hover") && !list.contains(document.activeElement)) list.querySelector(`:scope > [${HELD}]`)?.remove();
}

const known = new WeakSet();

export function dress(root) {
  root.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  for (const list of root.querySelectorAll("[data-holds]")) {
    if (known.has(list)) continue;
    known.add(list);
    for (const kind of ["pointerenter", "focusin"]) list.addEventListener(kind, () => hold(list));
    for (const kind of ["pointerleave", "focusout"]) list.addEventListener(kind, () => setTimeout(() => release(list)));
  }
  for (const place of root.querySelectorAll("[data-origin]")) place.textContent = location.origin;
}
