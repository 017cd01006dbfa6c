/* Finds modules, nodes, values, weights and lines by a part of what they are called. */
const SHOWN = 60;

class Search {
  constructor(graph, code, actions) {
    Object.assign(this, { graph, actions, found: [], at: 0 });
    this.input = byId("search");
    this.list = byId("results");
    this.entries = this.collect(code);
    this.input.addEventListener("input", () => this.search());
    this.input.addEventListener("focus", () => this.search());
    this.input.addEventListener("blur", () => setTimeout(() => (this.list.hidden = true), 150));
    this.input.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || /^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName)) return;
      event.preventDefault();
      this.input.select();
    });
  }

  collect(code) {
    const { graph, actions } = this, entries = [];
    const add = (kind, text, hint, go) => entries.push({ kind, text, hint, go, low: `${text} ${hint}`.toLowerCase() });
    graph.boxes.forEach((box, n) => box.path && add("module", box.path, box.cls, () => actions.choose(graph.firstBox + n)));
    graph.nodes.forEach((node, n) => add("node", node.name || `${node.op} ${node.at}`, node.op, () => actions.choose(n)));
    for (const [value, maker] of graph.makers) {
      const { name, type } = graph.values[value];
      add(maker < graph.firstBox ? "value" : "input", name, type ?? "", () => actions.choose(maker));
    }
    const owners = new Map();
    graph.nodes.forEach((node, n) => node.keys.forEach((key) => owners.has(key) || owners.set(key, n)));
    for (const [key, { type }] of Object.entries(graph.weights)) if (owners.has(key)) add("weight", key, type, () => actions.choose(owners.get(key)));
    for (const line of byId("code").children) {
      const text = line.textContent.trim(), number = Number(line.id.slice(1));
      if (text) add("line", text, String(number), () => actions.chooseLine(number));
    }
    return entries;
  }

  search() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matching = words.length ? this.entries.filter(({ low }) => words.every((word) => low.includes(word))) : [];
    this.found = matching.slice(0, SHOWN);
    this.at = 0;
    this.list.replaceChildren(...this.found.map((entry, n) => element("div", { class: "result", role: "option", on: { pointerdown: (event) => {
      event.preventDefault();
      this.go(n);
    } } }, element("b", {}, entry.kind), element("span", {}, entry.text), element("i", {}, entry.hint))));
    if (matching.length > SHOWN) this.list.append(element("div", { class: "result" }, `and ${matching.length - SHOWN} more`));
    if (words.length && !matching.length) this.list.append(element("div", { class: "result" }, "nothing is called like that"));
    this.list.hidden = !words.length;
    this.mark();
  }

  mark() {
    [...this.list.children].forEach((row, n) => row.classList.toggle("at", n === this.at && n < this.found.length));
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.key === "Enter") this.go(this.at);
    else if (event.key === "Escape") this.input.blur();
    else if (event.key === "ArrowDown") this.at = Math.min(this.at + 1, this.found.length - 1);
    else if (event.key === "ArrowUp") this.at = Math.max(this.at - 1, 0);
    else return;
    event.preventDefault();
    this.mark();
  }

  go(n) {
    if (!this.found[n]) return;
    this.input.blur();
    this.list.hidden = true;
    this.found[n].go();
  }
}
