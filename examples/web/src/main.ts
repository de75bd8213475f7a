import { Refused, get, type Get, type Json } from "./client.js";
import { unfold } from "./unfold.js";

const GATEWAY = new URLSearchParams(location.search).get("gateway") ?? "http://localhost:8000";
const ARRIVAL = "/api/arrival/{country}/{code}";
type Arrival = Json<Get<typeof ARRIVAL>>;

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`there is no #${id}`);
  return found;
}

async function show(form: HTMLFormElement): Promise<void> {
  const given = new FormData(form);
  const where = { country: String(given.get("country")), code: String(given.get("code")) };
  const token = String(given.get("token")).trim();
  element("page").ariaBusy = "true";
  const { page, missing } = new URLSearchParams(location.search).has("members")
    ? await get(GATEWAY, "/api/members/arrival/{country}/{code}", where, token)
    : await unfold(GATEWAY, ARRIVAL, where, draw);
  draw(page);
  element("missing").textContent = `Not here at the moment: ${missing.join(", ")}.`;
  element("missing").hidden = missing.length === 0;
  element("page").ariaBusy = "false";
}

/** Draw as much of the page as there is. */
function draw({ airport, clock, holidays }: Partial<Arrival>): void {
  element("name").textContent = airport ? `${airport.name}, ${airport.city}` : "";
  element("clock").textContent = clock
    ? `It is ${clock.local_time.slice(11, 16)} there (${clock.utc_offset}).`
    : "";
  element("holidays").replaceChildren(...(holidays ?? []).map((day) => {
    const line = document.createElement("li");
    line.textContent = `${day.date}: ${day.name}`;
    return line;
  }));
  element("page").hidden = false;
}

function explain(failure: unknown): void {
  element("page").hidden = true;
  element("problem").textContent = failure instanceof Refused
    ? `${failure.problem.title}. ${failure.problem.detail}`
    : "The gateway cannot be reached.";
  element("problem").hidden = false;
}

const form = element("ask") as HTMLFormElement;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  element("problem").hidden = true;
  show(form).catch(explain);
});
