// Trying a route out: the form as a request, shown as curl while it is written, sent through the admin API.
import { call, curl as actCurl } from "./acts.js";
import { kept, wanted } from "./token.js";

const SECRET = /authorization|cookie|key|token|secret|password|session/i;

export function dress(root) {
  for (const form of root.querySelectorAll("form[data-try]")) {
    if (form.dataset.dressed) continue;
    form.dataset.dressed = "yes";
    const said = JSON.parse(form.dataset.try);
    const show = () => shows(form, said);
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, said);
    });
    show();
  }
}

// {method, path, headers, body} as the admin API takes it.
function requestOf(form, said) {
  let path = said.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("[name*='.']")) {
    const [where, name] = [input.name.slice(0, input.name.indexOf(".")), input.name.slice(input.name.indexOf(".") + 1)];
    const values = "lines" in input.dataset ? input.value.split("\n").filter(Boolean) : input.value === "" ? [] : [input.value];
    if (where === "path") path = path.replace(`{${name}}`, encoded(input.value));
    else if (where === "query") values.forEach((value) => query.append(name, value));
    else if (where === "header" && values.length) headers[name] = values.join(", ");
    else if (where === "cookie" && values.length) headers.Cookie = [headers.Cookie, `${name}=${values[0]}`].filter(Boolean).join("; ");
  }
  const body = form.elements.body?.value ?? null;
  if (body !== null && said.kind) headers["Content-Type"] = said.kind;
  for (const line of form.elements.headers.value.split("\n")) {
    const [name, ...rest] = line.split(":");
    if (rest.length) headers[name.trim()] = rest.join(":").trim();
  }
  const service = form.elements["fault-service"]?.value;
  if (service) headers["Bff-Fault"] = `${service}=${form.elements["fault-kind"].value}`;
  const asked = { method: said.method, path: query.size ? `${path}?${query}` : path, headers };
  return body === null ? asked : { ...asked, body };
}

// A value of a path, or the rest of one; what URLs leave open is escaped too, so that a shell and a form mean the same.
const encoded = (text) => text.split("/").map(encodeURIComponent).join("/");

const actOf = (asked, said) => ({ method: "POST", path: said.reads ? "/v1/tries/reading" : "/v1/tries", body: asked });

function shows(form, said) {
  const asked = requestOf(form, said);
  form.querySelector("[data-curl]").textContent = curl(asked, said);
  form.querySelector("[data-admin-curl]").textContent = actCurl(actOf({ ...asked, headers: hidden(asked.headers) }, said));
}

const hidden = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, SECRET.test(name) ? "…" : value]));

// Secrets are not in it, but the variables that hold them.
function curl({ method, path, headers, body }, said) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = [`curl -i${method === "GET" ? "" : method === "HEAD" ? " --head" : ` -X ${method}`} ${quoted((said.public || location.origin) + path)}`];
  for (const [name, value] of Object.entries(headers)) {
    const variable = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    lines.push(SECRET.test(name) ? `-H "${name}: $${variable}"` : `-H ${quoted(`${name}: ${value}`)}`);
  }
  if (body !== undefined) lines.push(`--data-binary ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

async function send(form, said) {
  const button = form.querySelector("[data-send]");
  if (button.disabled) return;
  if (!said.reads && !kept() && !(await wanted("Only a token with the scope write may send this."))) return;
  button.disabled = true;
  button.textContent = "Sending…";
  try {
    const answer = await call(actOf(requestOf(form, said), said));
    const told = await answer.json().catch(() => ({}));
    const place = document.querySelector("[data-answer]");
    place.querySelector("[data-empty]").hidden = true;
    if (answer.ok) answered(place, told);
    else refused(place, told.detail ?? `The gateway answers ${answer.status}.`, told.errors);
  } finally {
    button.disabled = false;
    button.textContent = "Send";
  }
}

function refused(place, words, errors) {
  const trouble = place.querySelector("[data-trouble]");
  trouble.hidden = false;
  trouble.textContent = [words, ...(errors ?? []).map((each) => `${each.field}: ${each.message}`)].join("\n");
  place.querySelector("[data-whole]").hidden = true;
  place.querySelector("[data-summary]").replaceChildren();
}

const CUT = {
  size: "It is longer than what is shown.",
  time: "It went on for longer than is waited here.",
  broken: "The answer broke off.",
};

function answered(place, told) {
  const trouble = place.querySelector("[data-trouble]");
  trouble.hidden = !told.cut;
  trouble.textContent = CUT[told.cut] ?? "";
  place.querySelector("[data-whole]").hidden = false;
  place.querySelector("[data-body]").textContent = pretty(told);
  place.querySelector("[data-headers]").replaceChildren(
    ...told.headers.flatMap(([name, value]) => [element("dt", name, "mono"), element("dd", value, "mono")]),
  );
  const status = told.status ?? "no answer";
  const kind = !told.status || told.status >= 500 ? "bad" : told.status >= 400 ? "warn" : "ok";
  const parts = [element("span", status, `badge ${kind}`), element("span", `${round(told.ms)} ms`, "muted tiny"), element("span", `${told.size} B`, "muted tiny")];
  if (told.seq !== null) {
    const link = element("a", "Waterfall", "button");
    link.href = `/console/invocations/${encodeURIComponent(told.request_id)}?seq=${told.seq}`;
    parts.push(link);
  }
  place.querySelector("[data-summary]").replaceChildren(...parts);
}

const round = (ms) => (ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms));

function element(name, words, classes) {
  const made = document.createElement(name);
  made.textContent = words;
  made.className = classes;
  return made;
}

function pretty(told) {
  if (told.body === null) return `(${told.size} bytes that are no text)`;
  if (!told.body) return "(no body)";
  const kind = told.headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  if (!kind.includes("json")) return told.body;
  try {
    return JSON.stringify(JSON.parse(told.body), null, 2);
  } catch {
    return told.body;
  }
}
