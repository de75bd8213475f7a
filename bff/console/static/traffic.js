// The bar that moves traffic: shares between neighbours are dragged, moved with arrows or typed, and put into force by
// one call of the admin API. [data-mover] says how things stand; while something is changed, news waits.
import { propose } from "./acts.js";

let shown = "";

export function dress(root) {
  const told = root.querySelector?.("[data-mover]");
  const bar = document.getElementById("mover");
  if (!told || !bar || (told.dataset.mover === shown && bar.childElementCount)) return;
  shown = told.dataset.mover;
  new Mover(bar, JSON.parse(shown));
}

const make = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

class Mover {
  constructor(element, told) {
    this.element = element;
    this.told = told;
    this.reset();
  }

  reset() {
    this.targets = this.told.targets.map((target) => ({ ...target }));
    this.draw();
  }

  nameOf(target) {
    return target.revisionName ?? this.told.latest;
  }

  get isChanged() {
    return this.targets.some((target, at) => target.percent !== (this.told.targets[at]?.percent ?? 0));
  }

  draw() {
    const focused = document.activeElement?.dataset?.share;
    const kind = document.activeElement?.tagName;
    this.element.replaceChildren(this.bar(), this.list(), this.ends());
    this.element.toggleAttribute("data-held", this.isChanged || this.targets.length > this.told.targets.length);
    if (focused) this.element.querySelector(`${kind}[data-share="${focused}"]`)?.focus();
  }

  bar() {
    const bar = make("div", { className: "mover-bar" });
    this.targets.forEach((target, at) => {
      if (at) bar.append(this.handle(at, bar));
      const label = target.percent >= 8 ? make("b", {}, `${target.percent} %`) : "";
      const part = make("span", { className: `share-${at % 4}`, title: `${this.nameOf(target)}: ${target.percent} %` }, label);
      part.style.flexGrow = target.percent;
      bar.append(part);
    });
    return bar;
  }

  // Between two neighbours: what the one loses the other gets.
  handle(at, bar) {
    const [left, right] = [this.targets[at - 1], this.targets[at]];
    const handle = make("button", { type: "button" });
    handle.dataset.share = `${at}`;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", `Share of ${this.nameOf(left)}, the rest to ${this.nameOf(right)}`);
    handle.setAttribute("aria-valuemin", 0);
    handle.setAttribute("aria-valuemax", left.percent + right.percent);
    handle.setAttribute("aria-valuenow", left.percent);
    handle.setAttribute("aria-valuetext", `${left.percent} %`);
    handle.onkeydown = (event) => this.pressed(event, at);
    handle.onpointerdown = (event) => this.dragged(event, at, bar);
    return handle;
  }

  pressed(event, at) {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.set(at, this.targets[at - 1].percent + step);
  }

  dragged(event, at, bar) {
    event.preventDefault();
    const box = bar.getBoundingClientRect();
    const before = this.targets.slice(0, at - 1).reduce((sum, each) => sum + each.percent, 0);
    const move = ({ clientX }) => this.set(at, Math.round((100 * (clientX - box.left)) / box.width) - before);
    const stop = () => removeEventListener("pointermove", move);
    addEventListener("pointermove", move);
    addEventListener("pointerup", stop, { once: true });
    addEventListener("pointercancel", stop, { once: true });
  }

  set(at, percent) {
    const [left, right] = [this.targets[at - 1], this.targets[at]];
    const whole = left.percent + right.percent;
    left.percent = Math.min(whole, Math.max(0, percent));
    right.percent = whole - left.percent;
    this.draw();
  }

  // A typed share: the others give or take, the next one first.
  type(at, percent) {
    const wanted = Math.min(100, Math.max(0, Math.round(percent) || 0));
    let missing = wanted - this.targets[at].percent;
    this.targets[at].percent = wanted;
    const others = [...this.targets.slice(at + 1), ...this.targets.slice(0, at).reverse()];
    for (const other of others) {
      const given = Math.min(100, Math.max(0, other.percent - missing));
      missing -= other.percent - given;
      other.percent = given;
    }
    this.targets[at].percent -= missing;
    this.draw();
  }

  list() {
    return make("ul", { className: "shares" }, ...this.targets.map((target, at) => this.line(target, at)));
  }

  line(target, at) {
    const input = make("input", { type: "number", min: 0, max: 100, value: target.percent, disabled: this.targets.length < 2 });
    input.dataset.share = `${at}`;
    input.setAttribute("aria-label", `Percent of the calls for ${this.nameOf(target)}`);
    input.onchange = () => this.type(at, input.valueAsNumber);
    const name = make("span", { className: "name mono", title: this.nameOf(target) }, this.nameOf(target));
    const tags = [target.revisionName ? "" : "follows the latest", target.tag ?? ""].filter(Boolean);
    const marks = tags.map((word) => make("span", { className: "tag" }, word));
    return make("li", {}, make("i", { className: `share-${at % 4}` }), name, ...marks, make("label", {}, input, "%"));
  }

  ends() {
    const ends = make("div", { className: "mover-ends" });
    const free = this.told.revisions.filter((name) => !this.targets.some((each) => this.means(each) === name));
    if (free.length) ends.append(this.adder(free));
    if (this.isChanged) {
      const reset = make("button", { type: "button" }, "Leave it");
      reset.onclick = () => this.reset();
      const send = make("button", { type: "button", className: "main" }, "Move traffic");
      send.onclick = () => this.send();
      ends.append(make("span", { className: "ends" }, reset, send));
    }
    return ends;
  }

  means(target) {
    return target.revisionName ?? this.told.latest;
  }

  adder(free) {
    const select = make("select", {}, make("option", { value: "" }, "Add a revision…"), ...free.slice(0, 100).map((name) => make("option", {}, name)));
    select.setAttribute("aria-label", "Add a revision");
    select.onchange = () => {
      this.targets.push({ revisionName: select.value, percent: 0 });
      this.draw();
    };
    return select;
  }

  send() {
    const traffic = this.targets.filter((target) => target.percent || target.tag);
    propose({
      label: "Move traffic",
      method: "PUT",
      path: `/v1/functions/${encodeURIComponent(this.told.name)}/traffic`,
      body: { traffic },
      match: this.told.version,
      says: traffic.filter((each) => each.percent).map((each) => `${this.nameOf(each)}: ${each.percent} %`).join(", "),
    });
  }
}
