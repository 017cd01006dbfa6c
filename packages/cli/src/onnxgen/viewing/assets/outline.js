/* The modules as a list in lists; what is open here is open in the drawing. */
class Outline {
  constructor(graph, actions) {
    Object.assign(this, { graph, actions, rows: new Map() });
    this.element = byId("outline");
    this.update();
  }

  update() {
    this.rows.clear();
    const top = element("ul", { role: "tree" });
    const stack = [[this.graph.root, top]];
    while (stack.length) {
      const [thing, list] = stack.pop();
      const children = this.graph.box(thing).children.map((child) => this.graph.firstBox + child);
      const open = this.graph.open.has(thing);
      const item = element("li", { role: "treeitem" }, this.row(thing, open));
      if (!this.graph.isLayer(thing)) item.setAttribute("aria-expanded", String(open));
      list.append(item);
      if (!open || !children.length) continue;
      const inner = element("ul", { role: "group" });
      item.append(inner);
      for (const child of children.reverse()) stack.push([child, inner]);
    }
    this.element.replaceChildren(top);
    this.mark(this.marked ?? null);
  }

  row(thing, open) {
    const toggle = element("button", { "aria-label": open ? "Close" : "Open", on: { click: (event) => {
      event.stopPropagation();
      this.actions.toggle(thing);
    } } }, this.graph.isLayer(thing) ? "" : open ? "▾" : "▸");
    const name = element("span", {}, this.graph.nameOf(thing));
    const row = element("div", { class: "row", tabindex: "0", on: {
      click: () => this.actions.choose(thing),
      keydown: (event) => event.target === row && event.key === "Enter" && this.actions.choose(thing),
      pointerenter: () => this.actions.point(thing),
      pointerleave: () => this.actions.point(null),
    } }, thing === this.graph.root ? null : toggle, name, element("small", {}, thing === this.graph.root ? "" : this.graph.box(thing).cls));
    this.rows.set(thing, row);
    return row;
  }

  mark(thing) {
    this.rows.get(this.marked)?.classList.remove("at");
    this.marked = thing;
    const row = this.rows.get(thing);
    row?.classList.add("at");
    row?.scrollIntoView({ block: "nearest" });
  }
}
