// The bearer token: entered once, kept for this origin, sent as a field that no other page can make a browser send.
// A cookie would go to every port of the host (RFC 6265 §8.5), and this page lives on localhost among others.
const KEY = "bff.token";

export const kept = () => localStorage.getItem(KEY) ?? "";
const keep = (text) => localStorage.setItem(KEY, text);
const forget = () => localStorage.removeItem(KEY);

export const fields = () => (kept() ? { Authorization: `Bearer ${kept()}` } : {});

// fetch with the token. One that is not known any more is forgotten, and what needs none still works.
export async function ask(url, options = {}) {
  const said = () => fetch(url, { ...options, headers: { ...options.headers, ...fields() } });
  const answer = await said();
  if (answer.status !== 401 || !kept()) return answer;
  forget();
  shows();
  return said();
}

// Ask for a token until a known one is given; false when nobody wants to.
export function wanted(why) {
  const dialog = document.getElementById("token-dialog");
  const form = dialog.querySelector("form");
  const says = form.querySelector("[data-says]");
  says.textContent = why;
  form.reset();
  dialog.showModal();
  return new Promise((done) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const problem = await tried(form.elements.token.value.trim());
      if (problem) {
        says.textContent = problem;
        form.elements.token.select();
      } else {
        dialog.close("kept");
      }
    };
    dialog.onclose = () => done(dialog.returnValue === "kept");
    dialog.returnValue = "";
  });
}

async function tried(text) {
  if (!text) return "Paste the token first.";
  const answer = await fetch("/v1/audit?limit=1", { headers: { Authorization: `Bearer ${text}` } });
  if (answer.status === 401) return "This token is not known here: it was revoked, made for another gateway, or mistyped.";
  keep(text);
  shows();
  return "";
}

function shows() {
  for (const button of document.querySelectorAll("[data-token]")) {
    button.textContent = kept() ? "Forget token" : "Enter token";
  }
}

// `open` is called once a page that was refused is there.
export function listen(open) {
  shows();
  document.addEventListener("click", async (event) => {
    if (!event.target.closest("[data-token]")) return;
    if (!kept()) return void wanted("It is kept in this browser, for this address alone.");
    forget();
    location.reload();
  });
  if (document.querySelector("[data-gate]")) enter(open);
}

async function enter(open) {
  if (kept()) {
    const answer = await ask(location.href, { headers: { Accept: "text/html" } });
    if (answer.status !== 401) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = fresh.title;
      document.body.replaceWith(document.adoptNode(fresh.body));
      shows();
      open();
      return;
    }
  }
  const form = document.querySelector("[data-gate] form");
  form.hidden = false;
  form.elements.token.focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const problem = await tried(form.elements.token.value.trim());
    form.querySelector("[data-says]").textContent = problem;
    if (!problem) enter(open);
  };
}
