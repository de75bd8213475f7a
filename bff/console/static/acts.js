// Everything that changes something: a call of the admin API, shown as curl before it is sent, and sent with the token.
import { ask, fields, kept, wanted } from "./token.js";

const DONE = "bff.done";

// An act: {label, method, path, body, match, says}. `body` is JSON, `match` the version for If-Match.
export async function propose(act) {
  const dialog = document.getElementById("act-dialog");
  const form = dialog.querySelector("form");
  form.reset();
  dialog.querySelector("[data-title]").textContent = act.label;
  dialog.querySelector("[data-says]").textContent = act.says ?? "";
  dialog.querySelector("[data-send]").textContent = act.label;
  tells(dialog, "");
  const why = dialog.querySelector("[data-why]");
  why.hidden = act.reason === false;
  const asked = () => {
    const reason = form.elements.why.value.trim();
    return reason ? { ...act, body: { ...act.body, why: reason } } : act;
  };
  const show = () => (dialog.querySelector("[data-curl]").textContent = curl(asked()));
  form.oninput = show;
  show();
  dialog.showModal();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const send = dialog.querySelector("[data-send]");
    if (send.disabled) return;
    send.disabled = true;
    try {
      await sent(asked(), dialog);
    } finally {
      send.disabled = false;
    }
  };
}

async function sent(act, dialog) {
  if (!kept() && !(await wanted("Changes need a token with the scope write."))) return;
  const answer = await call(act);
  if (answer.ok) {
    sessionStorage.setItem(DONE, `${act.label}: done`);
    dialog.close();
    location.reload();
    return;
  }
  const problem = await answer.json().catch(() => ({ detail: `The gateway answers ${answer.status}.` }));
  if (answer.status === 401 && (await wanted("The token is not known here any more."))) return sent(act, dialog);
  const mayOnlyRead = problem.code === "scope-missing";
  if (mayOnlyRead && (await wanted("The token that is kept may only read; this needs one with the scope write."))) {
    return sent(act, dialog);
  }
  tells(dialog, [problem.detail, problem.report].filter(Boolean).join("\n"));
}

export function call(act) {
  return ask(act.path, { method: act.method, headers: headersOf(act), body: bodyOf(act) }).catch(
    () => new Response("{}", { status: 503 }),
  );
}

const bodyOf = (act) => (act.body === undefined || act.body === null ? undefined : JSON.stringify(act.body));

function headersOf(act) {
  const headers = {};
  if (bodyOf(act) !== undefined) headers["Content-Type"] = "application/json";
  if (act.match !== undefined && act.match !== null) headers["If-Match"] = `"${act.match}"`;
  return headers;
}

// What a shell would send. The token is never in it.
export function curl(act) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = [`curl -X ${act.method} ${quoted(location.origin + act.path)}`, `-H "Authorization: Bearer $BFF_TOKEN"`];
  for (const [name, value] of Object.entries(headersOf(act))) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (bodyOf(act) !== undefined) lines.push(`-d ${quoted(bodyOf(act))}`);
  return lines.join(" \\\n  ");
}

function tells(dialog, words) {
  const trouble = dialog.querySelector("[data-trouble]");
  trouble.textContent = words;
  trouble.hidden = !words;
}

// Once for all pages: every button that carries an act, and every one that copies.
export function listen() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-act]");
    if (button) propose(JSON.parse(button.dataset.act));
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog").close();
    const copier = event.target.closest("[data-copy]");
    if (copier) {
      await navigator.clipboard.writeText(document.querySelector(copier.dataset.copy).textContent);
      copier.textContent = "Copied";
      setTimeout(() => (copier.textContent = "Copy"), 1500);
    }
  });
}

// What was done just now is told by the page that came after it.
export function begin() {
  const words = sessionStorage.getItem(DONE);
  if (!words) return;
  sessionStorage.removeItem(DONE);
  const told = document.getElementById("done");
  told.textContent = words;
  told.hidden = false;
  setTimeout(() => (told.hidden = true), 6000);
}
