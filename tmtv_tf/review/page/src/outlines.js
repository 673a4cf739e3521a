// Outlines along voxel edges, of a slice of labels or of their projection.

/**
 * Outlines of a picture of labels.
 *
 * @param {(column: number, row: number) => number} at label of a pixel; 0 outside
 * @returns {Map<number, {edges: number[], right: number, top: number}>} per label its edges (c1, r1, c2, r2, ...) in pixel
 *     corners, and the corner where its number goes
 */
export function trace(at, columns, rows) {
  const found = new Map();
  const of = (label) => {
    if (!found.has(label)) found.set(label, { edges: [], right: -1, top: 0 });
    return found.get(label);
  };
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const label = at(c, r);
      if (!label) continue;
      const one = of(label);
      if (at(c - 1, r) !== label) one.edges.push(c, r, c, r + 1);
      if (at(c + 1, r) !== label) one.edges.push(c + 1, r, c + 1, r + 1);
      if (at(c, r - 1) !== label) one.edges.push(c, r, c + 1, r);
      if (at(c, r + 1) !== label) one.edges.push(c, r + 1, c + 1, r + 1);
      if (c > one.right) [one.right, one.top] = [c, r];
    }
  return found;
}

/** Outlines of the slice through a point, in corners of voxels along the plane's two axes; null where it misses the volume. */
export function traceSlice({ volume }, { across, up, through }, point) {
  const { dims, data } = volume;
  const depth = Math.floor((point[through] - volume.start[through]) / volume.spacing[through]);
  if (depth < 0 || depth >= dims[through]) return null;
  const step = [1, dims[0], dims[0] * dims[1]];
  const base = depth * step[through], sa = step[across], su = step[up];
  const A = dims[across], U = dims[up];
  return trace((a, u) => (a < 0 || u < 0 || a >= A || u >= U ? 0 : data[base + a * sa + u * su]), A, U);
}

/** How the outline of a lesion looks, by who drew it: the network, a reader over it, a reader. */
export const DASHES = { automatic: [], changed: [9, 3], added: [4, 2], excluded: [1, 4] };
export const MARKS = { automatic: "", changed: "~", added: "+", excluded: "×" };

/** Draw one outline. `place` turns corners into pixels of the canvas. */
export function stroke(context, edges, place, { color, dash = [], width = 1.5, scale = 1 }) {
  const path = new Path2D();
  for (const line of joined(edges)) {
    line.forEach((corner, i) => path[i ? "lineTo" : "moveTo"](...place(...corner)));
  }
  context.setLineDash([]);
  context.lineJoin = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.4)";
  context.lineWidth = (width + 1.4) * scale;
  context.stroke(path);
  context.setLineDash(dash.map((d) => d * scale));
  context.strokeStyle = color;
  context.lineWidth = width * scale;
  context.stroke(path);
  context.setLineDash([]);
}

/** Edges joined to lines, so that dashes run along them. */
function joined(edges) {
  const key = (c, r) => c * 65536 + r;
  const ends = new Map();
  const count = edges.length / 4;
  for (let e = 0; e < count; e++)
    for (const side of [0, 2]) {
      const at = key(edges[4 * e + side], edges[4 * e + side + 1]);
      if (!ends.has(at)) ends.set(at, []);
      ends.get(at).push(e);
    }
  const used = new Uint8Array(count);
  const lines = [];
  for (let start = 0; start < count; start++) {
    if (used[start]) continue;
    used[start] = 1;
    const line = [[edges[4 * start], edges[4 * start + 1]], [edges[4 * start + 2], edges[4 * start + 3]]];
    for (;;) {
      const [c, r] = line[line.length - 1];
      const next = ends.get(key(c, r)).find((e) => !used[e]);
      if (next === undefined) break;
      used[next] = 1;
      const o = 4 * next;
      line.push(edges[o] === c && edges[o + 1] === r ? [edges[o + 2], edges[o + 3]] : [edges[o], edges[o + 1]]);
    }
    lines.push(line);
  }
  return lines;
}

export function writeNumber(context, text, [x, y], { color, scale = 1 }) {
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.lineJoin = "round";
  context.lineWidth = 3 * scale;
  context.strokeStyle = "rgba(0, 0, 0, 0.75)";
  context.strokeText(text, x + 2 * scale, y);
  context.fillStyle = color;
  context.fillText(text, x + 2 * scale, y);
}
