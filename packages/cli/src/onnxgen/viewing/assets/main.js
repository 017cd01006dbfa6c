/* What the parts of the page do to each other. */
const graph = new Graph(JSON.parse(byId("data").textContent));
const layout = new Layout(graph);
const firstOpen = new Set(graph.open);
let chosen = null, chosenLine = null, pointed = null, pointedLine = null;

const actions = {
  /* Chooses a thing, or nothing: it is marked, and so are its lines; both come into sight. */
  choose(thing) {
    chosen = thing;
    chosenLine = null;
    if (thing !== null) reveal([thing]);
    const lines = thing === null ? [] : graph.linesOf(thing);
    details.show(thing);
    code.mark("at", lines);
    code.show(lines);
    outline.mark(thing === null ? null : graph.around(thing).findLast((each) => outline.rows.has(each)) ?? null);
    mark();
    if (thing !== null) canvas.show([graph.standIn(thing)]);
  },

  /* Chooses a line: what it stands for is marked and comes into sight. */
  chooseLine(line) {
    const things = graph.lines.get(line) ?? [];
    chosen = null;
    chosenLine = line;
    details.showLine(line, things);
    code.mark("at", [line]);
    code.show([line]);
    outline.mark(null);
    mark();
    canvas.show([...new Set(things.map((thing) => graph.standIn(thing)))]);
  },

  point(thing, x, y) {
    tip(thing, x, y);
    if (thing === pointed) return;
    pointed = thing;
    code.mark("near", thing === null ? [] : graph.linesOf(thing));
    mark();
  },

  pointLine(line) {
    if (line === pointedLine) return;
    pointedLine = line;
    mark();
  },

  toggle(thing) {
    thing ??= chosen;
    if (thing === null || !graph.isBox(thing) || thing === graph.root || graph.isLayer(thing) && !graph.open.has(thing) && graph.inside(thing).length < 2) return;
    if (!graph.open.delete(thing)) graph.open.add(thing);
    changed([thing], thing);
  },
};

function changed(things, fixed) {
  for (const thing of things) layout.change(thing);
  canvas.arrange(fixed);
  outline.update();
  mark();
}

/* Opens what is around things. */
function reveal(things) {
  const closed = new Set(things.flatMap((thing) => graph.around(thing).slice(0, -1)).filter((box) => !graph.open.has(box)));
  for (const box of closed) graph.open.add(box);
  if (closed.size) changed([...closed], graph.root);
}

/* Marks what stands for the things that are chosen, and for those that are pointed at. */
function mark() {
  const standIns = (things) => new Set(things.map((thing) => graph.standIn(thing)));
  canvas.chosen = standIns(chosenLine === null ? (chosen === null ? [] : [chosen]) : graph.lines.get(chosenLine) ?? []);
  canvas.near = standIns(pointedLine === null ? (pointed === null ? [] : [pointed]) : graph.lines.get(pointedLine) ?? []);
  canvas.chosenValues = chosen !== null && graph.isNode(chosen) ? new Set([...graph.nodes[chosen].in, ...graph.nodes[chosen].out]) : undefined;
  canvas.redraw();
}

function tip(thing, x, y) {
  const box = byId("tip");
  box.hidden = thing === null || x === undefined;
  if (box.hidden) return;
  const name = graph.isNode(thing) ? graph.nodes[thing].name : graph.isBox(thing) ? graph.box(thing).path : graph.nameOf(thing);
  box.textContent = [graph.nameOf(thing), name, graph.subtitle(thing)].filter((text, n, all) => text && all.indexOf(text) === n).join(" · ");
  Object.assign(box.style, { left: `${Math.min(x + 14, byId("stage").clientWidth - 330)}px`, top: `${y + 16}px` });
}

/* Opens one more level of modules. */
function expand() {
  const closed = canvas.drawing.things.map(({ thing }) => thing).filter((thing) => graph.isBox(thing) && !graph.open.has(thing) && !graph.isLayer(thing));
  for (const thing of closed) graph.open.add(thing);
  changed(closed, graph.root);
  canvas.overview();
}

function collapse() {
  const before = [...graph.open];
  graph.open = new Set(firstOpen);
  changed(before, graph.root);
  canvas.overview();
}

function theme() {
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  canvas.paint();
}

function split() {
  const splitter = byId("splitter"), main = byId("main");
  const set = (x) => {
    const { left, width } = main.getBoundingClientRect();
    byId("code").style.flexBasis = `${Math.min(80, Math.max(12, 100 - (100 * (x - left)) / width))}%`;
  };
  splitter.addEventListener("pointerdown", (event) => splitter.setPointerCapture(event.pointerId));
  splitter.addEventListener("pointermove", (event) => splitter.hasPointerCapture(event.pointerId) && set(event.clientX));
  splitter.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -40, ArrowRight: 40 }[event.key];
    if (step) set(splitter.getBoundingClientRect().left + step);
  });
}

byId("title").append(graph.title0, " ", element("span", {}, graph.file));
const code = new Code(graph, actions);
const outline = new Outline(graph, actions);
const details = new Details(graph, code, actions);
const canvas = new Canvas(graph, layout, actions);
canvas.arrange();
canvas.start();
new Search(graph, code, actions);
for (const [id, action] of Object.entries({ fit: () => canvas.fit(), expand, collapse, theme })) byId(id).addEventListener("click", action);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => canvas.paint());
document.addEventListener("keydown", (event) => event.key === "Escape" && document.activeElement !== byId("search") && actions.choose(null));
split();

/* For those who look at the page with a program: its tests, and anybody's console. */
globalThis.onnxgenView = { graph, canvas, outline, actions, layout };
