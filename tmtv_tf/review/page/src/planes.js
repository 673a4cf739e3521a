// The three planes of a slice and where a point of one lies on the screen. Frame: see volume.js (Right, Anterior, Superior).

/** Per plane: the axis across the screen, the axis up it, the axis through it, the letters at its four sides. */
export const PLANES = [
  { name: "axial", across: 0, up: 1, through: 2, sides: ["R", "L", "A", "P"] },
  { name: "coronal", across: 0, up: 2, through: 1, sides: ["R", "L", "H", "F"] },
  { name: "sagittal", across: 1, up: 2, through: 0, sides: ["A", "P", "H", "F"] },
];
export const IMAGES = ["PET", "CT", "PET/CT"];

/**
 * A tile of the stage. All three planes are seen as in radiology: the patient's right (or front) at the left of the
 * screen, so the axis across falls from left to right.
 */
export class Tile {
  constructor(plane, image, rect, view) {
    this.plane = plane;
    this.image = image;
    this.rect = rect; // left, top, width, height in device pixels
    const { across, up, through } = PLANES[plane];
    this.across = across;
    this.up = up;
    this.through = through;
    this.mmPerPixel = view.mmPerPixel[plane];
    this.high = view.centre[across] + (rect[2] / 2) * this.mmPerPixel; // at the left edge
    this.top = view.centre[up] + (rect[3] / 2) * this.mmPerPixel;
  }
  holds([x, y]) {
    const [l, t, w, h] = this.rect;
    return x >= l && x < l + w && y >= t && y < t + h;
  }
  toScreen(d) {
    return [this.rect[0] + (this.high - d[this.across]) / this.mmPerPixel, this.rect[1] + (this.top - d[this.up]) / this.mmPerPixel];
  }
  /** The point under a pixel, on the slice that is shown. */
  toFrame([x, y], crosshair) {
    const d = [...crosshair];
    d[this.across] = this.high - (x - this.rect[0]) * this.mmPerPixel;
    d[this.up] = this.top - (y - this.rect[1]) * this.mmPerPixel;
    return d;
  }
}

const GAP = 2;

/** Rectangles of the tiles: a list of { plane, image, rect }. `layout`: "all", "axial", "coronal", "sagittal", or one tile {plane, image}. */
export function arrange(layout, images, width, height) {
  if (typeof layout === "object") return [{ ...layout, rect: [0, 0, width, height] }];
  if (layout === "all") return grid(images.map((image) => [0, 1, 2].map((plane) => ({ plane, image }))), [1, 1, 1], width, height);
  const plane = PLANES.findIndex((p) => p.name === layout);
  return grid([images.map((image) => ({ plane, image }))], images.map(() => 1), width, height);
}

function grid(rows, shares, width, height) {
  const total = shares.reduce((a, b) => a + b);
  const h = (height - GAP * (rows.length - 1)) / rows.length;
  return rows.flatMap((row, r) => {
    let left = 0;
    return row.map((tile, c) => {
      const w = ((width - GAP * (row.length - 1)) * shares[c]) / total;
      const rect = [Math.round(left), Math.round(r * (h + GAP)), Math.round(w), Math.round(h)];
      left += w + GAP;
      return { ...tile, rect };
    });
  });
}
