// The live parts of a page: server-sent events, each of them HTML by the name of the part, put in place by htmx's morph,
// which keeps focus and selection. Read with fetch, because EventSource cannot send a token. Quiet while hidden.
import htmx from "./htmx.esm.min.js";
import { ask } from "./token.js";

const LONGEST_WAIT = 10_000;
let current = null;
let dressed = null;

export function begin(dress) {
  dressed = dress;
  const url = location.pathname + location.search;
  if (current?.url === url && !current.stop.signal.aborted) return;
  end();
  if (!document.querySelector("[data-part]") || document.hidden) return;
  current = { url, stop: new AbortController() };
  follow(current, dress);
}

function end() {
  waiting.clear();
  current?.stop.abort();
  current = null;
}

async function follow({ url, stop }, dress) {
  let wait = 500;
  while (!stop.signal.aborted) {
    try {
      const answer = await ask(url, { headers: { Accept: "text/event-stream" }, signal: stop.signal });
      if (!answer.ok) throw new Error(`the gateway answers ${answer.status}`);
      says("live", "Live");
      wait = 500;
      for await (const [kind, data] of eventsOf(answer.body)) {
        if (kind === "parts") await show(data, dress);
        if (kind === "trouble") says("lost", data);
        else says("live", "Live");
      }
    } catch (error) {
      if (stop.signal.aborted) return;
    }
    says("lost", "Connection lost, trying again");
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

export async function* eventsOf(body) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.match(/^(\w*): ?(.*)$/)?.slice(1) ?? []));
      if (fields.data !== undefined) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

// What has come; a part in which somebody is changing something waits until that is over.
const waiting = new Map();
setInterval(() => waiting.size && dressed && show({}, dressed), 500);

async function show(parts, dress) {
  for (const each of Object.entries(parts)) waiting.set(...each);
  for (const [name, html] of [...waiting]) {
    const target = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (target?.querySelector("[data-held]")) continue;
    waiting.delete(name);
    if (!target) continue;
    await htmx.swap({ sourceElement: target, target, text: html, swap: "innerMorph" });
    dress(target);
  }
}

function says(state, words) {
  const told = document.getElementById("connection");
  if (!told || (told.dataset.state === state && told.textContent === words)) return;
  told.dataset.state = state;
  told.textContent = words;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) end();
  else if (dressed) begin(dressed);
});
window.addEventListener("pagehide", end);
window.addEventListener("pageshow", (event) => event.persisted && dressed && begin(dressed));
