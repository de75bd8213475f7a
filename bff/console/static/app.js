// The console's one script. Each noun has a module; those that dress elements of a page export `dress(root)`, which is
// called for the whole page at its begin and for every part that is put in place later.
import htmx from "./htmx.esm.min.js";
import * as acts from "./acts.js";
import * as charts from "./charts.js";
import * as hold from "./hold.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as looks from "./looks.js";
import * as overlay from "./overlay.js";
import * as moments from "./moments.js";
import * as token from "./token.js";
import * as traffic from "./traffic.js";
import * as tryout from "./try.js";

const nouns = [charts, hold, moments, traffic, tryout];

export function dress(root) {
  for (const noun of nouns) noun.dress(root);
}

function begin() {
  dress(document.body);
  live.begin(dress);
  acts.begin();
}

// What htmx asks for carries the token as everything else does.
document.addEventListener("htmx:config:request", (event) => {
  Object.assign(event.detail.ctx.request.headers, token.fields());
});
document.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail.ctx.sourceElement;
  if (!target.closest("[data-part]")) dress(document.body);
});
document.addEventListener("htmx:after:history:update", () => live.begin(dress));

keys.begin();
overlay.begin();
acts.listen();
looks.listen();
token.listen(() => {
  htmx.process(document.body);
  overlay.begin();
  begin();
});
begin();
