// The keyboard: g and a page's letter, / for the filter, t for light and dark, ? for what there is.
import { turn } from "./looks.js";

let went = -Infinity;

export function begin() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (press(event.key)) event.preventDefault();
  });
}

function press(key) {
  if (performance.now() - went < 1500) {
    went = -Infinity;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  }
  if (key === "g") went = performance.now();
  else if (key === "/") return focus("[data-filter]");
  else if (key === "t") turn();
  else if (key === "?") document.getElementById("keys-dialog").showModal();
  else return false;
  return true;
}

function focus(selector) {
  const found = document.querySelector(selector);
  found?.focus();
  found?.select?.();
  return Boolean(found);
}
