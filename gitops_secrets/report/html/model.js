"use strict";
// What the page knows, and questions to it. No function here touches the page.

const SEVERITIES = ["error", "warning", "note"];
// Lines that say that one unit has to be there before another.
const ORDERING = new Set(["written", "unproven", "missing", "implied"]);
// Lines that draw the order with the fewest of them.
const DRAWN = new Set(["written", "unproven", "missing"]);

/** The data island as objects: see data.py. */
function readModel(data) {
  const text = (index) => (index < 0 ? null : data.strings[index]);
  const rows = ({ texts, values }) => {
    const found = [];
    for (const [name, column] of Object.entries(texts)) column.forEach((index, row) => ((found[row] ??= {})[name] = text(index)));
    for (const [name, column] of Object.entries(values)) column.forEach((value, row) => ((found[row] ??= {})[name] = value));
    return found;
  };
  const findings = rows(data.findings).map((finding) => ({ ...finding, related: [] }));
  for (const related of rows(data.related)) findings[related.finding].related.push(related);
  const clusters = data.clusters.map((cluster) => readCluster(cluster, rows, findings));
  return { title: data.title, revision: data.revision, base: data.base, gone: data.gone, clusters, findings, problems: rows(data.problems) };
}

function readCluster(cluster, rows, findings) {
  const units = new Map();
  for (const row of rows(cluster.units)) units.set(row.id, { ...row, findings: [], children: [], needs: [], neededBy: [], objects: [], namespaces: new Set(row.namespace ? [row.namespace] : []) });
  const resources = new Map();
  for (const row of rows(cluster.resources)) {
    resources.set(row.id, row);
    const unit = units.get(row.unit);
    if (unit) {
      unit.objects.push(row);
      if (row.namespace) unit.namespaces.add(row.namespace);
    }
  }
  for (const unit of units.values()) units.get(unit.parent)?.children.push(unit);
  const needs = rows(cluster.needs);
  const edges = rows(cluster.edges).map((edge) => ({ ...edge, reasons: edge.needs.map((index) => needs[index]) }));
  for (const edge of edges) {
    units.get(edge.consumer)?.needs.push(edge);
    units.get(edge.provider)?.neededBy.push(edge);
  }
  const unitOf = (id) => units.get(id) ?? units.get(resources.get(id)?.unit) ?? null;
  const own = findings.filter((finding) => finding.clusters.includes(cluster.name));
  for (const finding of own) (unitOf(finding.subject) ?? unitOf(finding.other))?.findings.push(finding);
  return { name: cluster.name, entryPoint: cluster.entry_point, units, resources, edges, unitOf, findings: own, changes: cluster.changes, headline: cluster.headline, opaque: rows(cluster.opaque), needs, needsOf: grouped(needs, (need) => need.consumer), usersOf: grouped(needs, (need) => [need.requires, need.provider]) };
}

/** Does the change that the page is about do something to the unit itself? */
const isTouched = (unit) => unit.change !== null && unit.change !== "waiting";

/** Items by the key, or the keys, that each has. */
function grouped(items, keysOf) {
  const groups = new Map();
  for (const item of items) {
    for (const key of new Set([keysOf(item)].flat())) {
      if (key === null) continue;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(item);
    }
  }
  return groups;
}

/** The worst severity among findings, null for none. */
function worst(findings) {
  return SEVERITIES.find((severity) => findings.some((finding) => finding.severity === severity)) ?? null;
}

/** Everything that can be reached from a unit over lines that order, with the fewest steps to it. */
function reach(cluster, start, edgesOf, endOf) {
  const steps = new Map([[start, 0]]);
  const queue = [start];
  for (const id of queue) {
    for (const edge of cluster.units.get(id)?.[edgesOf] ?? []) {
      const next = edge[endOf];
      if (ORDERING.has(edge.line) && cluster.units.has(next) && !steps.has(next)) {
        steps.set(next, steps.get(id) + 1);
        queue.push(next);
      }
    }
  }
  steps.delete(start);
  return steps;
}

const before = (cluster, id) => reach(cluster, id, "needs", "provider");
const after = (cluster, id) => reach(cluster, id, "neededBy", "consumer");

/** A Helm release that a drawn unit applies is part of that unit, unless the reader wants it on its own. */
function isFolded(cluster, unit, showReleases) {
  return !showReleases && unit.kind === "HelmRelease" && cluster.units.has(unit.parent);
}

/** The unit that stands for `unit` in the graph. */
function shownFor(cluster, unit, showReleases) {
  return isFolded(cluster, unit, showReleases) ? cluster.units.get(unit.parent) : unit;
}

/** A unit's findings, with those of the releases that are folded into it. */
function findingsOf(unit, showReleases) {
  const folded = showReleases ? [] : unit.children.filter((child) => child.kind === "HelmRelease");
  return [unit, ...folded].flatMap((each) => each.findings);
}

/** The units that the filters leave, what those wait for as their context, and the edges between all of them. */
function visibleGraph(cluster, filters) {
  const all = [...cluster.units.values()].filter((unit) => !isFolded(cluster, unit, filters.releases));
  const matches = (unit) =>
    (!filters.onlyFindings || findingsOf(unit, filters.releases).length > 0) &&
    (!filters.onlyChanged || isTouched(unit) || unit.children.some((child) => isFolded(cluster, child, filters.releases) && isTouched(child))) &&
    (filters.namespaces.size === 0 || [...unit.namespaces].some((namespace) => filters.namespaces.has(namespace))) &&
    (filters.chain === null || filters.chain.has(unit.id));
  const chosen = new Set(all.filter(matches).map((unit) => unit.id));
  const drawable = new Set(all.map((unit) => unit.id));
  const shown = new Set(chosen);
  if (filters.chain === null && chosen.size < all.length) {
    for (const id of shown) for (const edge of cluster.units.get(id).needs) if (DRAWN.has(edge.line) && drawable.has(edge.provider)) shown.add(edge.provider);
  }
  const edges = cluster.edges.filter((edge) => shown.has(edge.consumer) && shown.has(edge.provider) && (filters.allLines || DRAWN.has(edge.line)));
  const of = (ids) => all.filter((unit) => ids.has(unit.id));
  return { units: of(chosen), context: of(shown).filter((unit) => !chosen.has(unit.id)), edges, total: all.length };
}

/** Units, objects and keys whose name holds every word of the query; the nearest names come first. */
function search(cluster, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = (texts) => words.every((word) => texts.some((text) => text && text.toLowerCase().includes(word)));
  const order = (unit) => (unit.name.toLowerCase().indexOf(words[0]) >>> 0) * 1000 + unit.name.length;
  const units = [...cluster.units.values()].filter((unit) => found([unit.id, unit.path])).sort((a, b) => order(a) - order(b));
  const objects = [...cluster.resources.values()].filter((resource) => !cluster.units.has(resource.id) && found([resource.id]));
  const keys = [...cluster.usersOf.keys()].filter((id) => id.startsWith("key:") && found([id])).sort();
  return { units, objects, keys };
}
