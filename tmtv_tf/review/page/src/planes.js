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

/**
 * Rectangles of the tiles: a list of { plane, image, rect }.
 *
 * @param layout "all", the name of one plane, or one tile { plane, image }
 * @param images which of IMAGES there are
 * @param extent mm of the body along the three axes
 */
export function arrange(layout, images, width, height, extent) {
  if (typeof layout === "object") return [{ ...layout, rect: [0, 0, width, height] }];
  if (layout === "all") return grid(images.map((image) => [0, 1, 2].map((plane) => ({ plane, image }))), width, height);
  const plane = PLANES.findIndex((p) => p.name === layout);
  const tiles = images.map((image) => ({ plane, image }));
  const { across, up } = PLANES[plane];
  const size = (tried) => Math.min(...tried.map(({ rect }) => Math.min(rect[2] / extent[across], rect[3] / extent[up])));
  const tried = [[tiles], tiles.map((tile) => [tile]), [tiles.slice(0, 2), tiles.slice(2)]].map((rows) => grid(rows.filter((row) => row.length), width, height));
  return tried.reduce((best, one) => (size(one) > size(best) ? one : best));
}

function grid(rows, width, height) {
  const h = (height - GAP * (rows.length - 1)) / rows.length;
  return rows.flatMap((row, r) => {
    const w = (width - GAP * (row.length - 1)) / row.length;
    return row.map((tile, c) => ({ ...tile, rect: [c * (w + GAP), r * (h + GAP), w, h].map(Math.round) }));
  });
}
