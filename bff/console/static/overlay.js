// In dev: what cannot be loaded, shown over every page the moment it is saved, and gone the moment it is mended; and what
// has become live. The gateway says with each event all that is broken, so nothing is remembered here but what was read.
import { eventsOf } from "./live.js";
import { ask } from "./token.js";

const LONGEST_WAIT = 5_000;
let stop = null;
// Kept from page to page, as long as this tab lives: on a phone what is broken covers half of each.
const DISMISSED = "bff.dismissed";
const dismissed = () => sessionStorage.getItem(DISMISSED);
let last = 0;

export function begin() {
  if (!document.querySelector("[data-overlay]") || location.pathname === "/console/journal") return; // which has it all
  document.addEventListener("click", (event) => {
    const overlay = event.target.closest("[data-dismiss]")?.closest("[data-overlay]");
    if (!overlay) return;
    sessionStorage.setItem(DISMISSED, overlay.dataset.said);
    overlay.hidden = true;
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? end() : follow()));
  window.addEventListener("pagehide", end);
  window.addEventListener("pageshow", (event) => event.persisted && follow());
  if (!document.hidden) follow();
}

function end() {
  stop?.abort();
  stop = null;
}

async function follow() {
  if (stop) return;
  const mine = (stop = new AbortController());
  let wait = 250;
  while (!mine.signal.aborted) {
    try {
      const url = `/v1/journal${last ? `?after=${last}` : ""}`;
      const answer = await ask(url, { headers: { Accept: "text/event-stream" }, signal: mine.signal });
      if (!answer.ok) throw new Error(`the gateway answers ${answer.status}`);
      for await (const [kind, news] of eventsOf(answer.body)) {
        wait = 250;
        if (kind === "news") tell(news);
      }
      last = 0; // another gateway may answer next, which counts anew
    } catch {
      if (mine.signal.aborted) return;
    }
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

function tell({ happened, broken }) {
  const overlay = document.querySelector("[data-overlay]");
  const said = JSON.stringify(broken);
  last = Math.max(last, ...happened.map((each) => each.seq));
  if (overlay.dataset.said !== said) {
    overlay.dataset.said = said;
    if (broken.length) show(overlay, broken);
  }
  overlay.hidden = !broken.length || said === dismissed();
  if (!broken.length) sessionStorage.removeItem(DISMISSED);
  const good = happened.filter((each) => ["revision-ready", "config-applied"].includes(each.what)).at(-1);
  if (good) toast(good.said);
}

function show(overlay, broken) {
  const functions = broken.filter((each) => each.subject).length;
  const words = [];
  if (functions) words.push(`${functions === 1 ? "A function" : `${functions} functions`} cannot be loaded`);
  if (functions < broken.length) words.push("routes.yaml has mistakes");
  overlay.querySelector("h2").textContent = words.join(", and ");
  overlay.querySelector("[data-list]").replaceChildren(...broken.map(article));
}

function article({ subject, report, serving }) {
  const made = document.createElement("article");
  const goesOn = subject ? (serving ? `${serving} goes on serving.` : "Nothing of it serves.") : "The last good one goes on.";
  made.append(element("h3", subject || "routes.yaml"), element("p", goesOn, "muted tiny"), element("pre", report, "code"));
  return made;
}

function element(name, words, classes = "") {
  const made = document.createElement(name);
  made.textContent = words;
  made.className = classes;
  return made;
}

let leaves = 0;

function toast(words) {
  const place = document.getElementById("done");
  place.textContent = words;
  place.hidden = false;
  clearTimeout(leaves);
  leaves = setTimeout(() => (place.hidden = true), 4000);
}
