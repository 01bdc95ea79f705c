"use strict";
// The drawing: nodes, blocks and lines as SVG, and moving around in it. Text reaches the page as text nodes only.

const SVG = "http://www.w3.org/2000/svg";
// As page.css has them.
const FONTS = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", Arial, sans-serif';
const NAME_FONT = `600 12.5px ${FONTS}`;
const LARGE_FONT = `600 18px ${FONTS}`;
const DETAIL_FONT = `11px ${FONTS}`;
const ZOOM = { least: 0.04, most: 2.5, step: 1.3 };

/** An element of SVG with attributes and children; a string among them becomes text. */
function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

class GraphView {
  constructor(root, onSelect) {
    this.root = root;
    this.viewport = root.querySelector("#viewport");
    this.layers = Object.fromEntries(["blocks", "lines", "nodes", "sizes"].map((name) => [name, root.querySelector(`#${name}`)]));
    this.onSelect = onSelect;
    this.view = { x: 0, y: 0, scale: 1 };
    this.nodes = new Map();
    this.current = null; // the node that Tab reaches
    root.querySelector("#markers").append(...["written", "unproven", "missing", "implied", "uses"].map(arrowHead));
    this.listen();
  }

  /** Draws a graph anew. `describe` gives {title, detail, severity, count, label, change} of a unit. */
  draw(layout, describe) {
    this.layout = layout;
    this.nodes.clear();
    this.layers.blocks.replaceChildren(...layout.blocks.map(blockElement));
    this.layers.sizes.replaceChildren(...layout.blocks.filter((block) => block.units.length >= 12).map(sizeElement));
    this.layers.lines.replaceChildren(...layout.lines.map((line) => (line.element = lineElement(line))));
    const fragment = document.createDocumentFragment();
    for (const [id, position] of layout.nodes) {
      const element = nodeElement(id, position, describe(id));
      this.nodes.set(id, element);
      fragment.append(element);
    }
    this.layers.nodes.replaceChildren(fragment);
    this.makeCurrent(this.nodes.has(this.current) ? this.current : (this.nodes.keys().next().value ?? null));
  }

  /** Marks the selected unit and its chain; everything else steps back. Null for no selection. */
  mark(selected, chain) {
    this.root.classList.toggle("has-selection", selected !== null);
    for (const [id, element] of this.nodes) {
      element.classList.toggle("selected", id === selected);
      element.classList.toggle("in-chain", chain.has(id));
      element.setAttribute("aria-pressed", String(id === selected));
    }
    for (const { element, edges } of this.layout.lines) {
      element.classList.toggle("in-chain", edges.some((edge) => chain.has(edge.consumer) && chain.has(edge.provider)));
    }
    if (selected !== null && this.nodes.has(selected)) this.makeCurrent(selected);
  }

  /** Marks what a search found; null for no search. */
  highlight(found) {
    this.root.classList.toggle("has-search", found !== null);
    for (const [id, element] of this.nodes) element.classList.toggle("found", found !== null && found.has(id));
  }

  makeCurrent(id) {
    this.nodes.get(this.current)?.setAttribute("tabindex", "-1");
    this.current = id;
    this.nodes.get(id)?.setAttribute("tabindex", "0");
  }

  // Moving around

  apply() {
    const { x, y, scale } = this.view;
    this.viewport.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    this.root.classList.toggle("far", scale < 0.4);
    this.root.classList.toggle("middle", scale >= 0.4 && scale < 0.7);
    this.root.style.setProperty("--inverse-scale", String(1 / scale));
  }

  zoom(factor, centre = this.centre()) {
    const scale = Math.min(ZOOM.most, Math.max(ZOOM.least, this.view.scale * factor));
    const ratio = scale / this.view.scale;
    this.view = { x: centre.x - (centre.x - this.view.x) * ratio, y: centre.y - (centre.y - this.view.y) * ratio, scale };
    this.apply();
  }

  centre() {
    return { x: this.root.clientWidth / 2, y: this.root.clientHeight / 2 };
  }

  /** The whole graph, never larger than life; at first, and unless there are very many units, not smaller than can be read. */
  fit({ readable = false } = {}) {
    const { clientWidth, clientHeight } = this.root;
    const { width, height, nodes } = this.layout;
    const least = readable && nodes.size <= 200 ? 0.42 : ZOOM.least;
    const scale = Math.max(least, Math.min(1, (clientWidth - 24) / (width || 1), (clientHeight - 96) / (height || 1)));
    this.view = { scale, x: Math.max(12, (clientWidth - width * scale) / 2), y: Math.max(12, (clientHeight - 64 - height * scale) / 2) };
    this.apply();
  }

  /** Brings a unit into sight, readable. */
  reveal(id) {
    const position = this.layout.nodes.get(id);
    if (!position) return;
    const scale = Math.max(this.view.scale, 0.8);
    const margin = 80;
    const [x, y] = [position.x * this.view.scale + this.view.x, position.y * this.view.scale + this.view.y];
    const isInSight = x > margin / 2 && y > margin / 2 && x < this.root.clientWidth - NODE.width && y < this.root.clientHeight - margin;
    if (isInSight && this.view.scale >= 0.6) return;
    const centre = this.centre();
    this.view = { scale, x: centre.x - (position.x + NODE.width / 2) * scale, y: centre.y - (position.y + NODE.height / 2) * scale };
    this.apply();
  }

  listen() {
    const root = this.root;
    root.addEventListener("wheel", (event) => {
      event.preventDefault();
      const bounds = root.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey || Math.abs(event.deltaY) >= Math.abs(event.deltaX)) {
        this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), { x: event.clientX - bounds.left, y: event.clientY - bounds.top });
      } else {
        this.view.x -= event.deltaX;
        this.apply();
      }
    }, { passive: false });
    let grip = null;
    root.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      grip = { x: event.clientX, y: event.clientY, view: { ...this.view }, moved: false, id: event.target.closest?.(".node")?.dataset.id ?? null };
    });
    root.addEventListener("pointermove", (event) => {
      if (grip === null) return;
      const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
      if (!grip.moved && Math.hypot(dx, dy) < 4) return;
      if (!grip.moved) root.setPointerCapture(event.pointerId);
      grip.moved = true;
      root.classList.add("dragging");
      this.view = { ...this.view, x: grip.view.x + dx, y: grip.view.y + dy };
      this.apply();
    });
    const release = () => {
      if (grip !== null && !grip.moved) this.onSelect(grip.id);
      grip = null;
      root.classList.remove("dragging");
    };
    root.addEventListener("pointerup", release);
    root.addEventListener("pointercancel", () => { grip = null; root.classList.remove("dragging"); });
    root.addEventListener("focusin", (event) => {
      const id = event.target.closest?.(".node")?.dataset.id;
      if (id === undefined || !event.target.matches(":focus-visible")) return;
      this.makeCurrent(id);
      this.reveal(id);
    });
    root.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.key === "Enter" || event.key === " ") this.onSelect(this.current);
    else if (event.key === "+" || event.key === "=") this.zoom(ZOOM.step);
    else if (event.key === "-") this.zoom(1 / ZOOM.step);
    else if (event.key === "0") this.fit();
    else if (event.key.startsWith("Arrow")) this.step(event.key.slice(5).toLowerCase());
    else return;
    event.preventDefault();
  }

  /** Left to what comes first, right to what comes then, up and down to the nearest in sight; without a line, to the nearest there. */
  step(direction) {
    const from = this.layout.nodes.get(this.current);
    if (!from) return;
    const horizontal = direction === "left" || direction === "right";
    const sign = direction === "left" || direction === "up" ? -1 : 1;
    const linked = new Set();
    if (horizontal) {
      for (const { edges } of this.layout.lines) {
        for (const edge of edges) {
          if (direction === "left" && edge.consumer === this.current) linked.add(edge.provider);
          if (direction === "right" && edge.provider === this.current) linked.add(edge.consumer);
        }
      }
    }
    let best = null;
    for (const [id, to] of this.layout.nodes) {
      if (id === this.current || (linked.size > 0 && !linked.has(id))) continue;
      const [dx, dy] = [to.x - from.x, to.y - from.y];
      const ahead = (horizontal ? dx : dy) * sign;
      if (linked.size === 0 && ahead <= 0) continue;
      const distance = linked.size > 0 ? Math.abs(dy) + Math.abs(dx) : ahead + Math.abs(horizontal ? dy : dx) * 3;
      if (best === null || distance < best.distance) best = { id, distance };
    }
    if (best === null) return;
    this.makeCurrent(best.id);
    this.nodes.get(best.id).focus({ focusVisible: true, preventScroll: true });
    this.reveal(best.id);
  }
}

function arrowHead(line) {
  const attributes = { id: `arrow-${line}`, class: `arrow ${line}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" };
  return svg("marker", attributes, svg("path", { d: "M0.5 0.5 7.5 4 0.5 7.5z" }));
}

function blockElement({ x, y, width, height, isFrame }) {
  return svg("rect", { class: isFrame ? "block frame" : "block", x, y, width, height, rx: 12 });
}

/** How many there are, for a view from afar. */
function sizeElement({ x, y, width, height, units }) {
  return svg("text", { class: "block-size", x: x + width / 2, y: y + height / 2, "aria-hidden": "true" }, `${units.length} units`);
}

function lineElement({ points, line, edges }) {
  let path = `M${points[0].x} ${points[0].y}`;
  for (let index = 1; index < points.length; index++) {
    const [from, to] = [points[index - 1], points[index]];
    const middle = (from.x + to.x) / 2;
    path += `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
  }
  const change = edges.every((edge) => edge.change === edges[0].change) ? edges[0].change : null;
  return svg("path", { class: `line ${line}${change ? ` change-${change}` : ""}`, d: path, "marker-end": `url(#arrow-${line})` });
}

function nodeElement(id, { x, y }, { title, detail, severity, count, label, change, suspended, isContext }) {
  const classes = ["node", severity && `has-${severity}`, change && `change-${change}`, suspended && "suspended", isContext && "context"].filter(Boolean).join(" ");
  const group = svg("g", { class: classes, transform: `translate(${x} ${y})`, role: "button", tabindex: "-1", "aria-label": label, "aria-pressed": "false" });
  group.dataset.id = id;
  const room = NODE.width - 26 - (count > 0 ? 32 : 0);
  group.append(
    svg("title", {}, label),
    svg("rect", { class: "box", width: NODE.width, height: NODE.height, rx: 8 }),
    svg("rect", { class: "edge-mark", x: 0, y: 9, width: 3, height: NODE.height - 18, rx: 1.5 }),
    svg("text", { class: "name", x: 14, y: 19 }, shortened(title, room, NAME_FONT)),
    svg("text", { class: "detail", x: 14, y: 34, "aria-hidden": "true" }, shortened(detail, room, DETAIL_FONT, true)),
    svg("text", { class: "large-name", x: 14, y: 28, "aria-hidden": "true" }, shortened(title, NODE.width - 26, LARGE_FONT)),
  );
  if (count > 0) {
    group.append(svg("rect", { class: "badge", x: NODE.width - 34, y: 13, width: 24, height: 18, rx: 9 }), svg("text", { class: "badge-count", x: NODE.width - 22, y: 26, "aria-hidden": "true" }, count > 99 ? "99+" : String(count)));
  }
  return group;
}

const ruler = document.createElement("canvas").getContext("2d");

/** As much of a text as has room; of a path the end. */
function shortened(text, room, font, end = false) {
  ruler.font = font;
  const fits = (some) => ruler.measureText(some).width <= room;
  if (fits(text)) return text;
  let [least, most] = [0, text.length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (fits(cut(text, middle, end))) least = middle;
    else most = middle - 1;
  }
  return cut(text, least, end);
}

const cut = (text, length, end) => (end ? `…${text.slice(text.length - length)}` : `${text.slice(0, length)}…`);
