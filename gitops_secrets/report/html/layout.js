"use strict";
// Where everything stands. Two things keep a thousand units legible: units with the same neighbours stand in one block, with one line for all of them; and
// small groups of units that need the same of the rest stand packed in one frame.

const NODE = { width: 196, height: 44, gap: 8 };
const PADDING = 10;
const FRAME_GAP = 22;
const MANY_NEIGHBOURS = 8; // a block with so many holds together what has nothing else in common
const MOST_IN_GROUP = 12; // units of a group that is packed with others
const FEWEST_GROUPS = 4;

/** Positions of units and the lines between blocks: {nodes: Map(id → {x, y}), blocks, lines, width, height}. */
function layOut(units, edges) {
  const blocks = blocksOf(units, edges);
  const lines = linesBetween(blocks, edges);
  const frames = framesOf(blocks, lines);
  const homeOf = new Map(frames.flatMap((frame) => frame.groups.flatMap((group) => group.blocks.map((block) => [block, frame]))));
  const outer = merged(lines.filter((line) => homeOf.get(line.first) === undefined || homeOf.get(line.first) !== homeOf.get(line.then)), (block) => homeOf.get(block) ?? block);
  const items = [...blocks.filter((block) => !homeOf.has(block)), ...frames];
  const linked = new Set(outer.flatMap((line) => [line.first, line.then]));
  const arranged = arrange(items.filter((item) => linked.has(item)), outer);
  const alone = items.filter((item) => !linked.has(item));
  const size = placeAlone([...alone.filter((item) => item.isFrame), ...alone.filter((item) => !item.isFrame)], arranged);
  const inner = frames.flatMap(placeInside);
  const nodes = new Map(blocks.flatMap(placeUnits));
  const boxes = [...frames.filter((frame) => linked.has(frame)), ...blocks.filter((block) => block.units.length > 1)];
  return { nodes, blocks: boxes, lines: [...outer, ...inner], ...size };
}

/** Units grouped by what they have in common: the same neighbours, by the same kinds of lines. */
function blocksOf(units, edges) {
  const neighbours = new Map(units.map((unit) => [unit.id, []]));
  for (const edge of edges) {
    neighbours.get(edge.consumer).push(`< ${edge.line} ${edge.change ?? ""} ${edge.provider}`);
    neighbours.get(edge.provider).push(`> ${edge.line} ${edge.change ?? ""} ${edge.consumer}`);
  }
  const groups = grouped(units, (unit) => neighbours.get(unit.id).sort().join("\n"));
  return [...groups].map(([signature, members], index) => {
    const columns = columnsOf(members.length, signature !== "");
    const padding = members.length > 1 ? PADDING : 0;
    const rows = Math.ceil(members.length / columns);
    return { key: `b${index}`, units: members, columns, padding, width: columns * (NODE.width + NODE.gap) - NODE.gap + 2 * padding, height: rows * (NODE.height + NODE.gap) - NODE.gap + 2 * padding };
  });
}

/** A few stand in one column; the more there are, the wider is the block. */
function columnsOf(count, linked) {
  if (linked && count <= 6) return 1;
  const ratio = linked && count <= 40 ? 1.2 : 2.4;
  return Math.max(1, Math.round(Math.sqrt((count * NODE.height * ratio) / NODE.width)));
}

/** One line for all edges of a kind between two blocks. */
function linesBetween(blocks, edges) {
  const blockOf = new Map(blocks.flatMap((block) => block.units.map((unit) => [unit.id, block])));
  return merged(edges.map((edge) => ({ first: blockOf.get(edge.provider), then: blockOf.get(edge.consumer), line: edge.line, edges: [edge] })), (block) => block);
}

function merged(lines, endOf) {
  const found = new Map();
  for (const line of lines) {
    const [first, then] = [endOf(line.first), endOf(line.then)];
    const key = `${first.key} ${then.key} ${line.line}`;
    if (!found.has(key)) found.set(key, { key, first, then, line: line.line, edges: [] });
    found.get(key).edges.push(...line.edges);
  }
  return [...found.values()];
}

/** Groups of blocks that hang together, if enough small ones need the same of the rest. */
function framesOf(blocks, lines) {
  const neighbours = new Map(blocks.map((block) => [block, new Set()]));
  for (const { first, then } of lines) {
    if (first === then) continue;
    neighbours.get(first).add(then);
    neighbours.get(then).add(first);
  }
  const core = upstreamOf(blocks.filter((block) => neighbours.get(block).size >= MANY_NEIGHBOURS), lines);
  const seen = new Set();
  const groups = [];
  for (const block of blocks) {
    if (core.has(block) || seen.has(block)) continue;
    const members = [block];
    seen.add(block);
    for (const member of members) {
      for (const next of neighbours.get(member)) {
        if (core.has(next) || seen.has(next)) continue;
        seen.add(next);
        members.push(next);
      }
    }
    const size = members.reduce((sum, member) => sum + member.units.length, 0);
    const needs = [...new Set(members.flatMap((member) => [...neighbours.get(member)].filter((next) => core.has(next)).map((next) => next.key)))].sort().join(" ");
    if (members.length > 1 && size <= MOST_IN_GROUP) groups.push({ blocks: members, needs });
  }
  const alike = [...grouped(groups, (group) => group.needs).values()].filter((found) => found.length >= FEWEST_GROUPS);
  return alike.map((found, index) => packed(found, lines, `f${index}`));
}

/** Blocks with everything that comes before them. */
function upstreamOf(blocks, lines) {
  const before = grouped(lines, (line) => line.then);
  const found = new Set(blocks);
  for (const block of found) for (const line of before.get(block) ?? []) found.add(line.first);
  return found;
}

/** A frame of groups, each laid out by itself, side by side in rows. */
function packed(groups, lines, key) {
  for (const group of groups) {
    const own = new Set(group.blocks);
    group.lines = lines.filter((line) => own.has(line.first) && own.has(line.then));
    Object.assign(group, arrange(group.blocks, group.lines, 0));
    group.inside = new Map(group.blocks.map((block) => [block, { x: block.x, y: block.y }]));
  }
  const area = groups.reduce((sum, { width, height }) => sum + (width + FRAME_GAP) * (height + FRAME_GAP), 0);
  const most = Math.max(Math.sqrt(area * 1.5), ...groups.map((group) => group.width));
  let [x, y, row, width] = [0, 0, 0, 0];
  for (const group of groups) {
    if (x > 0 && x + group.width > most) [x, y, row] = [0, y + row + FRAME_GAP, 0];
    Object.assign(group, { x, y });
    x += group.width + FRAME_GAP;
    row = Math.max(row, group.height);
    width = Math.max(width, x - FRAME_GAP);
  }
  const units = groups.flatMap((group) => group.blocks.flatMap((block) => block.units));
  return { key, groups, units, width: width + 2 * FRAME_GAP, height: y + row + 2 * FRAME_GAP, isFrame: true };
}

/** Lays out boxes in layers, first ones left; sets `x` and `y` of each, and `points` of each line. */
function arrange(items, lines, margin = 24) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 96 + Math.min(120, lines.length), edgesep: 5, marginx: margin, marginy: margin, acyclicer: "greedy", ranker: items.length > 150 ? "tight-tree" : "network-simplex" });
  for (const { key, width, height } of items) graph.setNode(key, { width, height });
  for (const { key, first, then } of lines) graph.setEdge(first.key, then.key, {}, key);
  if (items.length > 0) dagre.layout(graph);
  // A layer is as wide as its widest box; all of them begin at its left.
  for (const layer of grouped(items, (item) => graph.node(item.key).x).values()) {
    const most = Math.max(...layer.map((item) => item.width));
    for (const item of layer) {
      const { x, y } = graph.node(item.key);
      Object.assign(item, { x: x - most / 2, y: y - item.height / 2 });
    }
  }
  for (const pair of grouped(lines, (line) => `${line.first.key} ${line.then.key}`).values()) {
    pair.forEach((line, lane) => { line.points = anchored(line, graph.edge(line.first.key, line.then.key, line.key).points, lane * 7); });
  }
  const { width = 0, height = 0 } = graph.graph();
  return { width: Math.max(0, width), height: Math.max(0, height) };
}

/** A line leaves a box on the right and enters the next one on the left, `shift` below its like; one that runs back (a cycle) is left as it was laid. */
function anchored({ first, then }, points, shift) {
  if (first.x + first.width > then.x) return points;
  // From one layer to the next a curve needs no points between.
  const inner = points.length <= 3 ? [] : points.slice(1, -1).filter((point) => point.x > first.x + first.width && point.x < then.x);
  const height = (box, y) => Math.min(Math.max(y, box.y + Math.min(22, box.height / 2)), box.y + box.height - Math.min(22, box.height / 2));
  const [start, end] = [inner[0] ?? then, inner.at(-1) ?? first];
  const middle = (place) => (place.height === undefined ? place.y : place.y + place.height / 2);
  return [{ x: first.x + first.width, y: height(first, middle(start)) + shift }, ...inner, { x: then.x, y: height(then, middle(end)) + shift }];
}

/** What has no lines goes below the rest, side by side. */
function placeAlone(items, { width, height }) {
  const most = Math.max(width, 1200);
  let [x, y, row, right] = [24, height + (height > 0 ? 12 : 24), 0, width];
  for (const item of items) {
    if (x > 24 && x + item.width > most) [x, y, row] = [24, y + row + 24, 0];
    Object.assign(item, { x, y });
    x += item.width + 24;
    row = Math.max(row, item.height);
    right = Math.max(right, x);
  }
  return { width: right, height: items.length > 0 ? y + row + 24 : height };
}

/** The lines inside of a frame, and its blocks, where the frame stands. */
function placeInside(frame) {
  return frame.groups.flatMap((group) => {
    const [dx, dy] = [frame.x + FRAME_GAP + group.x, frame.y + FRAME_GAP + group.y];
    for (const [block, { x, y }] of group.inside) Object.assign(block, { x: x + dx, y: y + dy });
    return group.lines.map((line) => ({ ...line, points: line.points.map(({ x, y }) => ({ x: x + dx, y: y + dy })) }));
  });
}

function placeUnits(block) {
  return block.units.map((unit, index) => {
    const [column, row] = [index % block.columns, Math.floor(index / block.columns)];
    return [unit.id, { x: block.x + block.padding + column * (NODE.width + NODE.gap), y: block.y + block.padding + row * (NODE.height + NODE.gap) }];
  });
}
