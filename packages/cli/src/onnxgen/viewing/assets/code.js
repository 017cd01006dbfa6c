/* The lines of model.py. Those that stand for something can be pointed at and clicked. */
class Code {
  constructor(graph, actions) {
    this.element = byId("code");
    this.lines = { at: [], near: [] };
    for (const number of graph.lines.keys()) byId(`L${number}`)?.classList.add("linked");
    const lineAt = (event) => Number(event.target.closest?.(".line.linked")?.id.slice(1)) || null;
    this.element.addEventListener("click", (event) => lineAt(event) && !String(getSelection()) && actions.chooseLine(lineAt(event)));
    this.element.addEventListener("pointerover", (event) => actions.pointLine(lineAt(event)));
    this.element.addEventListener("pointerleave", () => actions.pointLine(null));
  }

  /* Marks lines as chosen ("at") or as near to what is pointed at. */
  mark(how, numbers) {
    for (const line of this.lines[how]) line.classList.remove(how);
    this.lines[how] = numbers.map((number) => byId(`L${number}`)).filter(Boolean);
    for (const line of this.lines[how]) line.classList.add(how);
  }

  show(numbers) {
    const line = numbers.length && byId(`L${numbers[0]}`);
    line && line.scrollIntoView({ block: "center", behavior: CALM.matches ? "auto" : "smooth" });
  }

  text(number) { return byId(`L${number}`)?.textContent.trim() ?? ""; }
}
