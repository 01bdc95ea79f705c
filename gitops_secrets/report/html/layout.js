"use strict";
// Where everything stands. Units with the same neighbours stand together as one block, with one line for all of them: that is what keeps a thousand legible.

const NODE = { width: 196, height: 44, gap: 8 };
const BLOCK_PADDING = 10;

/** Positions of units and the lines between blocks: {nodes: Map(id → {x, y}), blocks: [], lines: [], width, height}. */
function layOut(units, edges) {
  const blocks = blocksOf(units, edges);
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 92, edgesep: 12, marginx: 24, marginy: 24, acyclicer: "greedy", ranker: blocks.length > 150 ? "tight-tree" : "network-simplex" });
  const blockOf = new Map();
  const alone = [];
  for (const block of blocks) {
    for (const unit of block.units) blockOf.set(unit.id, block);
    if (block.linked) graph.setNode(block.key, { width: block.width, height: block.height });
    else alone.push(block);
  }
  const lines = new Map();
  for (const edge of edges) {
    const [first, then] = [blockOf.get(edge.provider), blockOf.get(edge.consumer)];
    const key = `${first.key} ${then.key} ${edge.line}`;
    if (!lines.has(key)) lines.set(key, { first, then, line: edge.line, edges: [], key });
    lines.get(key).edges.push(edge);
  }
  for (const line of lines.values()) graph.setEdge(line.first.key, line.then.key, {}, line.key);
  dagre.layout(graph);
  for (const block of blocks) if (block.linked) Object.assign(block, corner(graph.node(block.key)));
  for (const line of lines.values()) line.points = graph.edge(line.first.key, line.then.key, line.key).points;
  const { width = 0, height = 0 } = graph.graph();
  return placed(blocks, alone, [...lines.values()], Math.max(width, 0), Math.max(height, 0));
}

function corner({ x, y, width, height }) {
  return { x: x - width / 2, y: y - height / 2 };
}

/** Blocks without lines go below the graph, side by side. */
function placed(blocks, alone, lines, width, height) {
  let bottom = Number.isFinite(height) ? height : 0;
  let right = Number.isFinite(width) ? width : 0;
  if (alone.length > 0) {
    let x = 24;
    for (const block of alone) {
      Object.assign(block, { x, y: bottom + 28 });
      x += block.width + 24;
      right = Math.max(right, x);
    }
    bottom += 52 + Math.max(...alone.map((block) => block.height));
  }
  const nodes = new Map();
  for (const block of blocks) {
    block.units.forEach((unit, index) => {
      const column = index % block.columns;
      const row = Math.floor(index / block.columns);
      nodes.set(unit.id, { x: block.x + block.padding + column * (NODE.width + NODE.gap), y: block.y + block.padding + row * (NODE.height + NODE.gap) });
    });
  }
  return { nodes, blocks, lines, width: right, height: bottom };
}

/** Units grouped by what they have in common: the same neighbours, by the same kinds of lines. */
function blocksOf(units, edges) {
  const neighbours = new Map(units.map((unit) => [unit.id, []]));
  for (const edge of edges) {
    neighbours.get(edge.consumer).push(`< ${edge.line} ${edge.provider}`);
    neighbours.get(edge.provider).push(`> ${edge.line} ${edge.consumer}`);
  }
  const groups = grouped(units, (unit) => neighbours.get(unit.id).sort().join("\n"));
  return [...groups].map(([signature, members], index) => {
    const columns = columnsOf(members.length, signature !== "");
    const padding = members.length > 1 ? BLOCK_PADDING : 0;
    const rows = Math.ceil(members.length / columns);
    return {
      key: `b${index}`,
      units: members,
      linked: signature !== "",
      columns,
      padding,
      width: columns * (NODE.width + NODE.gap) - NODE.gap + 2 * padding,
      height: rows * (NODE.height + NODE.gap) - NODE.gap + 2 * padding,
    };
  });
}

/** A few stand in one column; many make a block about as wide as high, what has no lines a wide one. */
function columnsOf(count, linked) {
  if (linked && count <= 6) return 1;
  return Math.max(1, Math.round(Math.sqrt((count * NODE.height * (linked ? 1 : 2.5)) / NODE.width)));
}
