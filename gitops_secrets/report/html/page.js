"use strict";
// Brings model, graph and panel together, and answers the reader.

const element = (id) => document.getElementById(id);
const model = readModel(JSON.parse(element("data").textContent));
const state = {
  cluster: model.clusters[0] ?? null,
  selected: null, // the id of a unit
  filters: { onlyFindings: false, onlyChanged: false, releases: false, allLines: false, namespaces: new Set(), chain: null },
  query: "",
  chosen: new Set(), // the units that the filters leave
  total: 0,
};
const view = new GraphView(element("graph"), (id) => select(id));
const panel = new Panel(element("panel"), { select: (id) => select(id), selectThing, showChain });

function describe(id) {
  const unit = state.cluster.units.get(id);
  const findings = findingsOf(unit, state.filters.releases);
  const [waits, awaited] = [unit.needs.filter((edge) => ORDERING.has(edge.line)).length, unit.neededBy.filter((edge) => ORDERING.has(edge.line)).length];
  const isContext = !state.chosen.has(id);
  const words = [unit.name, unit.kind, unit.change && CHANGE_WORDS[unit.change], findings.length > 0 && `${plural(findings.length, "finding")}, worst: ${worst(findings)}`, unit.suspended && "suspended", `waits for ${waits}`, `awaited by ${awaited}`];
  return { title: unit.name, detail: unit.path ?? `${unit.kind} ${unit.namespace}`.trim(), severity: worst(findings), count: findings.length, label: words.filter(Boolean).join(", "), change: unit.change, suspended: unit.suspended, isContext };
}

/** Lays out and draws what the filters leave. */
function refresh({ fit = true } = {}) {
  const { units, context, edges, total } = visibleGraph(state.cluster, state.filters);
  state.chosen = new Set(units.map((unit) => unit.id));
  state.total = total;
  view.draw(layOut([...units, ...context], edges), describe);
  element("empty").hidden = units.length > 0;
  element("empty").textContent = total === 0 ? "This cluster has no units." : "No unit is left by these filters.";
  element("chain-bar").hidden = state.filters.chain === null;
  element("namespaces-chosen").textContent = state.filters.namespaces.size > 0 ? `(${state.filters.namespaces.size} chosen)` : "";
  if (fit) view.fit({ readable: true });
  mark();
  showList();
}

function mark() {
  const shown = state.selected === null ? null : shownFor(state.cluster, state.cluster.units.get(state.selected), state.filters.releases).id;
  view.mark(shown, shown === null ? new Set() : chainOf(shown));
}

function select(id, { reveal = false } = {}) {
  state.selected = id;
  mark();
  if (id === null) panel.overview(model, state.cluster);
  else panel.unit(state.cluster, state.cluster.units.get(id), state.filters.chain !== null);
  document.body.classList.toggle("has-details", id !== null);
  if (reveal && id !== null) view.reveal(shownFor(state.cluster, state.cluster.units.get(id), state.filters.releases).id);
  for (const item of element("units").querySelectorAll("[aria-current]")) item.removeAttribute("aria-current");
  if (id !== null) element("units").querySelector(`[data-id="${CSS.escape(id)}"]`)?.setAttribute("aria-current", "true");
  remember();
}

/** A unit, or an object inside one, or a key. */
function selectThing(id) {
  if (state.cluster.units.has(id)) {
    select(id, { reveal: true });
    return;
  }
  const unit = state.cluster.unitOf(id);
  select(unit?.id ?? null, { reveal: true });
  panel.thing(state.cluster, id);
  document.body.classList.add("has-details");
}

/** A unit, all that comes before and after it, and what it applies itself. */
function chainOf(id) {
  const children = state.cluster.units.get(id).children.map((child) => child.id);
  return new Set([id, ...before(state.cluster, id).keys(), ...after(state.cluster, id).keys(), ...children]);
}

function showChain(id) {
  const shown = shownFor(state.cluster, state.cluster.units.get(id), state.filters.releases).id;
  state.filters.chain = chainOf(shown);
  element("chain-text").textContent = `Only the chain of ${state.cluster.units.get(shown).name}`;
  refresh();
  select(state.selected);
}

// The list beside the graph: every unit, or what a search found

function showList() {
  fillList();
  // One of them takes the Tab key, arrows go to the others: a thousand steps would keep people from the graph.
  const buttons = [...element("units").querySelectorAll("button")];
  for (const button of buttons) button.tabIndex = -1;
  const current = buttons.find((button) => button.dataset.id === state.selected) ?? buttons[0];
  if (current) current.tabIndex = 0;
}

function fillList() {
  const list = element("units");
  if (state.query.trim() === "") {
    view.highlight(null);
    const units = [...state.chosen].map((id) => state.cluster.units.get(id));
    element("count").textContent = units.length === state.total ? plural(state.total, "unit") : `${units.length} of ${plural(state.total, "unit")}`;
    list.replaceChildren(...units.map(unitItem));
    return;
  }
  const { units, objects, keys } = search(state.cluster, state.query);
  view.highlight(new Set([...units, ...objects.map((object) => state.cluster.unitOf(object.id)).filter(Boolean)].map((unit) => shownFor(state.cluster, unit, state.filters.releases).id)));
  const most = 60;
  const group = (title, items, make) => (items.length === 0 ? [] : [html("li", { class: "group" }, `${title} (${items.length})`), ...items.slice(0, most).map(make), ...(items.length > most ? [html("li", { class: "quiet" }, `and ${items.length - most} more`)] : [])]);
  list.replaceChildren(...group("Units", units, unitItem), ...group("Objects", objects, (object) => thingItem(object.id)), ...group("Keys", keys, thingItem));
  element("count").textContent = `${plural(units.length, "unit")}, ${plural(objects.length, "object")}, ${plural(keys.length, "key")} found`;
}

function unitItem(unit) {
  const severity = worst(findingsOf(unit, state.filters.releases));
  const button = html("button", { type: "button", class: severity ? `has-${severity}` : "", onclick: () => select(unit.id, { reveal: true }) },
    html("span", { class: "dot", "aria-hidden": "true" }), html("span", { class: "unit-name" }, unit.name), html("span", { class: "quiet" }, unit.kind === "Kustomization" ? unit.namespace : unit.kind), severity ? html("span", { class: "hidden" }, `, worst finding: ${severity}`) : null);
  button.dataset.id = unit.id;
  if (unit.id === state.selected) button.setAttribute("aria-current", "true");
  return html("li", {}, button);
}

function thingItem(id) {
  return html("li", {}, html("button", { type: "button", onclick: () => selectThing(id) }, html("span", { class: "unit-name" }, id)));
}

// Set-up

function showCluster(cluster) {
  state.cluster = cluster;
  state.selected = null;
  state.filters = { ...state.filters, namespaces: new Set(), chain: null };
  const units = [...cluster.units.values()];
  element("cluster").value = String(model.clusters.indexOf(cluster));
  element("releases-choice").hidden = !units.some((unit) => isFolded(cluster, unit, false));
  element("changed-choice").hidden = !units.some(isTouched);
  const counts = new Map();
  for (const unit of units) for (const namespace of unit.namespaces) counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  element("namespaces").hidden = counts.size < 2;
  element("namespace-list").replaceChildren(...[...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(namespaceItem));
  const counted = SEVERITIES.map((severity) => [severity, cluster.findings.filter((finding) => finding.severity === severity).length]).filter(([, count]) => count > 0);
  element("summary").replaceChildren(...(counted.length === 0 ? [pill("calm", "nothing found")] : counted.map(([severity, count]) => pill(severity, plural(count, severity)))));
  refresh();
  select(null);
}

function namespaceItem([namespace, count]) {
  const box = html("input", { type: "checkbox" });
  box.addEventListener("change", () => {
    if (box.checked) state.filters.namespaces.add(namespace);
    else state.filters.namespaces.delete(namespace);
    refresh();
  });
  return html("li", {}, html("label", {}, box, " ", namespace, " ", html("span", { class: "quiet" }, String(count))));
}

function showLegend() {
  const entries = [["written", "written"], ["unproven", "written, not proven by Ready"], ["missing", "not written"]];
  const changes = model.base === null ? [] : ["added", "changed", "reconciled", "removed"];
  element("legend").append(html("li", { class: "axis" }, "Left starts first"), ...entries.map(([line, text]) => html("li", {}, svg("svg", { viewBox: "0 0 28 8", class: "sample", "aria-hidden": "true" }, svg("path", { class: `line ${line}`, d: "M1 4H24", "marker-end": `url(#arrow-${line})` })), text)), ...changes.map((change) => html("li", {}, svg("svg", { viewBox: "0 0 18 12", class: "swatch", "aria-hidden": "true" }, svg("g", { class: `node change-${change}` }, svg("rect", { class: "box", x: 1, y: 1, width: 16, height: 10, rx: 3 }))), change === "reconciled" ? "reconciled again" : change)));
}

/** The address names what is shown, so that a reader can send it to another one. */
function remember() {
  const parts = [state.cluster.name, state.selected].filter((part) => part !== null).map(encodeURIComponent);
  history.replaceState(null, "", `#/${parts.join("&")}`); // the slash: it is not the id of an element
}

function recall() {
  const [name, id] = location.hash.slice(2).split("&").map((part) => { try { return decodeURIComponent(part); } catch { return ""; } });
  const rank = (cluster) => (cluster.changes.length > 0 ? 1e9 : 0) + cluster.units.size;
  const largest = model.clusters.reduce((best, each) => (rank(each) > rank(best) ? each : best));
  const cluster = model.clusters.find((each) => each.name === name) ?? largest;
  showCluster(cluster);
  if (id && cluster.units.has(id)) select(id, { reveal: true });
}

function listen() {
  const search = element("search");
  search.addEventListener("input", () => { state.query = search.value; showList(); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "ArrowDown") {
      const first = element("units").querySelector("button");
      if (event.key === "Enter") first?.click();
      else first?.focus();
      event.preventDefault();
    }
  });
  element("units").addEventListener("keydown", (event) => {
    const buttons = [...element("units").querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    (buttons[to] ?? (to < 0 ? search : buttons[at])).focus();
  });
  element("units").addEventListener("focusin", (event) => {
    for (const button of element("units").querySelectorAll('[tabindex="0"]')) button.tabIndex = -1;
    event.target.tabIndex = 0;
  });
  for (const [id, name] of [["only-findings", "onlyFindings"], ["only-changed", "onlyChanged"], ["releases", "releases"], ["all-lines", "allLines"]]) {
    element(id).addEventListener("change", (event) => { state.filters[name] = event.target.checked; refresh(); });
  }
  element("cluster").addEventListener("change", (event) => showCluster(model.clusters[Number(event.target.value)]));
  element("chain-leave").addEventListener("click", () => { state.filters.chain = null; refresh(); select(state.selected, { reveal: true }); });
  element("zoom-in").addEventListener("click", () => view.zoom(ZOOM.step));
  element("zoom-out").addEventListener("click", () => view.zoom(1 / ZOOM.step));
  element("zoom-fit").addEventListener("click", () => view.fit());
  element("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape") {
      if (event.target === search && search.value !== "") { search.value = ""; state.query = ""; showList(); }
      else if (state.selected !== null || document.body.classList.contains("has-details")) select(null);
      else if (state.filters.chain !== null) { state.filters.chain = null; refresh(); }
    }
  });
  addEventListener("resize", () => view.fit({ readable: true }));
}

function start() {
  element("title").textContent = model.title;
  element("revision").textContent = (model.revision === null ? "" : ` at ${model.revision.slice(0, 12)}`) + (model.base === null ? "" : ` since ${model.base.slice(0, 12)}`);
  document.title = `${model.title} · dependency graph`;
  element("cluster").append(...model.clusters.map((cluster, index) => html("option", { value: String(index) }, cluster.changes.length > 0 ? `${cluster.name} (changes)` : cluster.name)));
  element("cluster-choice").hidden = model.clusters.length < 2;
  showLegend();
  if (state.cluster === null) {
    element("empty").hidden = false;
    element("empty").textContent = "No entry point was found.";
    return;
  }
  listen();
  recall();
}

start();
