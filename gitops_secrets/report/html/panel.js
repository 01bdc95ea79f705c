"use strict";
// The details beside the graph: an overview, or one unit or object with its chain, evidence and findings.

const LINE_WORDS = {
  written: "written",
  unproven: "written, not proven by Ready",
  missing: "not written",
  implied: "follows from other lines",
  uses: "nothing has to wait",
};
const STATE_WORDS = { met: "", before: "there before the engine starts", unmet: "nothing in the repository makes it", key: "at the provider" };
const CHANGE_WORDS = {
  added: "added",
  removed: "removed",
  changed: "changed",
  reconciled: "reconciled again, as what it applies changes",
  waiting: "waits for units that are reconciled again",
};
const MARK_WORDS = { "+": "added", "-": "removed", "~": "changed" };
const FEW = 12;

/** An element of HTML with properties and children; a string among them becomes text. */
function html(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") element.className = value;
    else if (key === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A list of items, the first few of many at first. */
function listOf(items, elementOf, properties = {}, few = FEW) {
  const list = html("ul", properties);
  const add = (some) => list.append(...some.map((item) => html("li", {}, elementOf(item))));
  add(items.slice(0, few));
  if (items.length > few) {
    const more = html("li", {}, html("button", { type: "button", class: "more", onclick: () => { more.remove(); add(items.slice(few)); } }, `Show ${items.length - few} more`));
    list.append(more);
  }
  return list;
}

/** A list that is made when somebody opens it. */
function disclosure(summary, properties, make) {
  const element = html("details", properties, html("summary", {}, summary));
  element.addEventListener("toggle", () => { if (element.open && element.childElementCount === 1) element.append(make()); });
  return element;
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const placeText = ({ file, at }) => (file === null ? null : html("code", { class: "place" }, `${file}:${at}`));
const pill = (kind, text) => html("span", { class: `pill ${kind}` }, text);

class Panel {
  constructor(root, { select, selectThing, showChain }) {
    this.root = root;
    this.select = select;
    this.selectThing = selectThing;
    this.showChain = showChain;
  }

  show(...children) {
    this.root.replaceChildren(...children.filter(Boolean));
    this.root.scrollTop = 0;
  }

  link(cluster, id, text = null) {
    if (id === null) return html("span", {}, text ?? "");
    const known = cluster.units.has(id) || cluster.resources.has(id) || cluster.usersOf.has(id);
    return known ? html("button", { type: "button", class: "link", title: id, onclick: () => this.selectThing(id) }, text ?? id) : html("span", { class: "id" }, text ?? id);
  }

  heading(kind, name, place, onClose) {
    return html("div", { class: "heading" }, html("p", { class: "kind" }, kind), html("h2", {}, name), place,
      html("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: onClose }, "×"));
  }

  section(title, ...children) {
    return html("section", {}, html("h3", {}, title), ...children);
  }

  // What is shown without a selection

  overview(model, cluster) {
    const units = [...cluster.units.values()].filter((unit) => unit.change !== "removed");
    const missing = cluster.edges.filter((edge) => edge.line === "missing").length;
    const levels = Math.max(0, ...units.map((unit) => unit.level));
    const facts = html("dl", { class: "facts" }, ...[["Units", units.length], ["Objects", cluster.resources.size], ["Levels", levels], ["Orders not written", missing]].map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, String(value)))));
    const rules = [...grouped(cluster.findings, (finding) => finding.rule)].sort((a, b) => SEVERITIES.indexOf(worst(a[1])) - SEVERITIES.indexOf(worst(b[1])) || b[1].length - a[1].length);
    const findings = rules.length === 0 ? html("p", { class: "calm" }, "Nothing was found.") :
      listOf(rules, ([rule, found]) => disclosure([pill(worst(found), String(found.length)), html("span", { class: "rule" }, rule)], { class: "rule-group" }, () => listOf(found, (finding) => this.finding(cluster, finding, true), { class: "findings" })), { class: "plain" }, 40);
    this.show(
      html("div", { class: "heading" }, html("p", { class: "kind" }, "Cluster"), html("h2", {}, cluster.name), html("code", { class: "place" }, cluster.entryPoint)),
      facts,
      model.base !== null && this.changes(model, cluster),
      this.section("Findings", findings),
      model.problems.length > 0 && this.section("Could not be read", listOf(model.problems, (problem) => [html("p", {}, problem.message), placeText(problem)], { class: "findings" })),
      cluster.opaque.length > 0 && this.section("Not looked into", listOf(cluster.opaque, (opaque) => [this.link(cluster, opaque.thing), html("p", { class: "quiet" }, opaque.why)], { class: "plain spaced" }, 6)),
    );
  }

  /** What lies between the base and what the page shows, as `diff` says it. */
  changes(model, cluster) {
    const line = ({ mark, text, details }) => [
      MARK_WORDS[mark] ? html("span", { class: `mark ${MARK_WORDS[mark]}`, role: "img", "aria-label": MARK_WORDS[mark] }, mark) : mark && `${mark} `, text,
      details.length > 0 ? html("ul", { class: "quiet" }, ...details.map((detail) => html("li", {}, detail))) : null,
    ];
    const sections = cluster.changes.map(({ title, grave, lines }) => {
      const element = disclosure([html("span", { class: "rule" }, title), " ", pill(grave ? "error" : "note", String(lines.length))], { class: "rule-group" }, () => listOf(lines, line, { class: "plain changes" }, 30));
      element.open = grave;
      return element;
    });
    return this.section(`Since ${model.base.slice(0, 12)}`,
      html("p", { class: "quiet" }, cluster.headline || "Nothing changes in this cluster."), ...sections,
      ...model.gone.map((name) => html("p", {}, `The cluster ${name} is removed.`)));
  }

  finding(cluster, finding, withSubject = false) {
    const evidence = finding.related.length === 0 ? null : disclosure(`Evidence (${finding.related.length})`, { class: "evidence" }, () => listOf(finding.related, (related) => [html("p", {}, related.message), placeText(related)], { class: "plain spaced" }));
    return html("article", { class: `finding ${finding.severity}` },
      html("p", { class: "finding-head" }, pill(finding.severity, finding.severity), html("span", { class: "rule" }, finding.rule), finding.change === null ? null : pill("new", finding.change), finding.confidence === "certain" ? null : html("span", { class: "quiet" }, finding.confidence)),
      html("p", {}, finding.message), placeText(finding),
      withSubject ? html("p", { class: "quiet" }, this.link(cluster, finding.subject)) : null,
      finding.fix === null ? null : html("p", { class: "fix" }, html("span", {}, "Fix: "), finding.fix),
      evidence);
  }

  // A unit

  unit(cluster, unit, isChain) {
    const [first, then] = [before(cluster, unit.id), after(cluster, unit.id)];
    const actions = html("p", { class: "actions" }, first.size + then.size > 0 && !isChain ? html("button", { type: "button", onclick: () => this.showChain(unit.id) }, "Show only this chain") : null);
    const facts = [["Namespace", unit.namespace], ["Path", unit.path], ["Applied by", unit.parent && this.link(cluster, unit.parent, cluster.units.get(unit.parent)?.name)], ["Level", unit.level || null], ["Not looked into", unit.opaque], ["Suspended", unit.suspended ? "yes: its order is not kept" : null], ["Change", unit.change && [CHANGE_WORDS[unit.change], unit.why && html("span", { class: "quiet" }, `: ${unit.why}`)].filter(Boolean)]];
    this.show(
      this.heading(unit.kind, unit.name, placeText(unit), () => this.select(null)),
      html("dl", { class: "fields" }, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, value)])),
      actions,
      unit.findings.length > 0 && this.section(`Findings (${unit.findings.length})`, listOf(unit.findings, (finding) => this.finding(cluster, finding), { class: "findings" })),
      this.chain(cluster, unit, first),
      this.neighbours(cluster, `Waits for (${unit.needs.length})`, unit.needs, "provider"),
      this.neighbours(cluster, `Awaited by (${unit.neededBy.length})`, unit.neededBy, "consumer"),
      unit.children.length > 0 && this.section(`Applies (${plural(unit.children.length, "unit")})`, listOf(unit.children, (child) => [this.link(cluster, child.id, child.name), html("span", { class: "quiet" }, ` ${child.kind}`), child.findings.length > 0 ? pill(worst(child.findings), String(child.findings.length)) : null], { class: "plain" })),
      unit.objects.length > 0 && this.section(`Objects (${unit.objects.length})`, listOf(unit.objects, (object) => this.link(cluster, object.id), { class: "plain" })),
    );
  }

  /** Everything that has to be there first, step by step. */
  chain(cluster, unit, first) {
    if (first.size === 0) return null;
    const byLevel = grouped([...first.keys()].map((id) => cluster.units.get(id)), (each) => each.level);
    const steps = [...byLevel].sort((a, b) => a[0] - b[0]).map(([, units]) => html("li", {}, listOf(units, (each) => this.link(cluster, each.id, each.name), { class: "chips" }, 8)));
    return this.section("Chain", html("ol", { class: "chain" }, ...steps, html("li", { class: "here" }, unit.name)));
  }

  neighbours(cluster, title, edges, end) {
    if (edges.length === 0) return null;
    const rank = Object.keys(LINE_WORDS);
    const sorted = [...edges].sort((a, b) => rank.indexOf(a.line) - rank.indexOf(b.line));
    return this.section(title, listOf(sorted, (edge) => this.edge(cluster, edge, end), { class: "plain edges" }));
  }

  edge(cluster, edge, end) {
    const name = cluster.units.get(edge[end])?.name ?? edge[end];
    const head = html("p", { class: "edge-head" }, this.link(cluster, edge[end], name), pill(`line-${edge.line}`, LINE_WORDS[edge.line]));
    const written = edge.file === null ? null : html("p", { class: "quiet" }, "dependsOn at ", placeText(edge));
    const evidence = edge.reasons.length === 0 ? html("p", { class: "quiet" }, "Nothing that was read needs it.") :
      disclosure(`Evidence (${edge.reasons.length})`, { class: "evidence" }, () => listOf(edge.reasons, (need) => this.need(cluster, need), { class: "plain spaced" }));
    return html("div", { class: "edge" }, head, written, evidence);
  }

  need(cluster, need) {
    const maker = need.provider !== null && need.provider !== need.requires ? [" from ", this.link(cluster, need.provider)] : null;
    const state = need.note ?? STATE_WORDS[need.state];
    return html("div", { class: `need ${need.state}` },
      html("p", {}, this.link(cluster, need.consumer), " needs ", this.link(cluster, need.requires), maker),
      html("p", { class: "quiet" }, [need.reason, need.effect, need.optional ? "optional" : null, state].filter(Boolean).join(" · ")),
      html("p", { class: "quiet" }, html("code", { class: "field" }, need.field), " ", placeText(need)));
  }

  // An object, or a key at a provider

  thing(cluster, id) {
    const resource = cluster.resources.get(id);
    const unit = cluster.unitOf(id);
    const [, kind, name] = /^([^/:]+)(?:[/:])(.*)$/.exec(id) ?? ["", "", id];
    const findings = cluster.findings.filter((finding) => finding.subject === id || finding.other === id);
    const needs = cluster.needsOf.get(id) ?? [];
    const users = (cluster.usersOf.get(id) ?? []).filter((need) => need.consumer !== id);
    const makers = new Set(users.filter((need) => need.requires === id && need.provider !== null && need.provider !== id && need.state !== "key").map((need) => need.provider));
    this.show(
      this.heading(kind === "key" ? "Key at the provider" : kind, name, resource ? placeText(resource) : html("span", { class: "quiet" }, "No manifest of it is in the repository"), () => this.select(null)),
      unit && html("dl", { class: "fields" }, html("dt", {}, "Applied by"), html("dd", {}, this.link(cluster, unit.id, unit.name))),
      findings.length > 0 && this.section(`Findings (${findings.length})`, listOf(findings, (finding) => this.finding(cluster, finding), { class: "findings" })),
      ...[...makers].map((maker) => this.section("Made by", html("p", {}, this.link(cluster, maker)), this.tree(cluster, maker, "up", new Set([id, maker])))),
      needs.length > 0 && this.section("Chain upwards: what it needs", this.tree(cluster, id, "up", new Set([id]))),
      users.length > 0 && this.section("Chain downwards: what needs it", this.tree(cluster, id, "down", new Set([id]))),
    );
  }

  /** The needs of a thing, each to be opened for what comes behind it. */
  tree(cluster, id, direction, seen) {
    const needs = direction === "up" ? cluster.needsOf.get(id) ?? [] : (cluster.usersOf.get(id) ?? []).filter((need) => need.consumer !== id);
    const item = (need) => {
      const next = direction === "up" ? (need.state === "key" ? need.requires : need.provider ?? need.requires) : need.consumer;
      const label = direction === "up" && need.provider !== null && need.state !== "key" && need.provider !== need.requires ? [need.requires, html("span", { class: "quiet" }, " from "), need.provider] : [next];
      const further = direction === "up" ? cluster.needsOf.has(next) : (cluster.usersOf.get(next) ?? []).some((other) => other.consumer !== next);
      const detail = () => html("div", {}, this.need(cluster, need), further && !seen.has(next) ? this.tree(cluster, next, direction, new Set([...seen, next])) : null);
      return disclosure([html("span", { class: "id" }, ...label), html("span", { class: "quiet" }, ` ${need.reason}`), need.state === "unmet" ? pill("missing", "missing") : null], { class: "step" }, detail);
    };
    return listOf(needs, item, { class: "plain tree" });
  }
}
