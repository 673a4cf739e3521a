// What is on the screen: slices, projection, outlines, crosshair, measures.
import { casePath, getImage } from "./api.js";
import { fitPicture, markOf, Projector, STEP } from "./mip.js";
import { DASHES, stroke, traceSlice, writeNumber } from "./outlines.js";
import { arrange, IMAGES, PLANES, Tile } from "./planes.js";
import { boxOf, centreOf, voxelAt } from "./volume.js";

export const PET_WINDOWS = [5, 7, 10, 15, 20, 30];
export const CT_WINDOWS = [
  ["soft tissue", -160, 240],
  ["lung", -1350, 150],
  ["bone", -450, 1050],
  ["wide", -1000, 1000],
];
const EXCLUDED = "#9aa4b2", PREVIEW = "#ffffff";

export class Viewer {
  constructor(stage, canvases) {
    Object.assign(this, canvases, { stage }); // slices (WebGL), over (2-D), mip (2-D)
    this.settings = { inverted: true, blend: 0.6, petWindow: [0, 10], ctWindow: [-160, 240], crosshair: [0, 0, 0] };
    Object.assign(this, { layout: "all", plane: 0, angle: 0, zoom: 1, centre: [0, 0, 0], outlinesShown: true, crosshairShown: true });
    Object.assign(this, { selected: new Set(), hovered: null, preview: null, measures: [], others: [], sketch: null, traced: new Map(), pictures: new Map() });
    this.watch = new ResizeObserver(() => this.redraw());
  }

  /** The canvases are on the page: follow their size. */
  placed() {
    for (const canvas of [this.over, this.mip]) this.watch.observe(canvas.parentElement);
  }

  /** The images of a case are there, first without its CT. */
  async show(one) {
    await this.stage.show(one.pet, one.ct);
    if (this.case) return this.redraw();
    this.case = one;
    this.projector = new Projector(one.pet, one.state.mip);
    this.fit();
    const first = one.rows[0];
    this.settings.crosshair = this.snapped(first ? one.frame.fromLps(first.hottest_mm) : this.centre);
    this.redraw();
    this.fetchPictures();
    return undefined;
  }

  /** All angles, so that the projection turns without a wait. */
  async fetchPictures() {
    for (let angle = 0; angle < 360 && this.case; angle += STEP) {
      this.picture(angle);
      await Promise.resolve(this.pictures.get(this.pictureKey(angle))).catch(() => {}); // it is asked for again when it is shown
    }
  }

  close() {
    this.watch.disconnect();
    this.pictures.clear();
    this.case = null;
    this.stage.clear();
  }

  get images() {
    return this.case?.state.has_ct ? [0, 1, 2] : [0];
  }

  fit() {
    const { body } = this.case;
    this.centre = body.min.map((m, a) => (m + body.max[a]) / 2);
    this.extent = body.max.map((m, a) => m - body.min[a]);
    this.zoom = 1;
    this.mipBox = this.projector.boxOf(body);
  }

  /** Labels changed: what was traced is old. */
  forget() {
    this.traced.clear();
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      if (this.case?.pet) this.draw();
    });
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    this.ratio = ratio; // pixels of a canvas in one of the page
    this.scale = (ratio * parseFloat(getComputedStyle(document.documentElement).fontSize)) / 13; // text and lines
    resize(this.over, ratio);
    resize(this.slices, ratio);
    const { width, height } = this.over;
    if (!width || !height) return;
    const placed = arrange(this.layout, this.images, width, height, this.extent);
    const mmPerPixel = PLANES.map(({ across, up }, plane) => {
      const fits = placed.filter((t) => t.plane === plane).map(({ rect }) => Math.max(this.extent[across] / rect[2], this.extent[up] / rect[3]));
      return (1.04 * Math.max(0, ...fits)) / this.zoom || 1;
    });
    this.tiles = placed.map((t) => new Tile(t.plane, t.image, t.rect, { centre: this.centre, mmPerPixel }));
    this.stage.draw(this.tiles, this.settings);
    this.drawOver(this.over.getContext("2d"));
    this.drawMip();
  }

  drawOver(context) {
    this.taken = [];
    context.clearRect(0, 0, this.over.width, this.over.height);
    for (const tile of this.tiles) {
      context.save();
      context.beginPath();
      context.rect(...tile.rect);
      context.clip();
      if (this.outlinesShown) this.drawOutlines(context, tile);
      if (this.crosshairShown) this.drawCrosshair(context, tile);
      this.drawMeasures(context, tile);
      this.sketch?.draw?.(context, tile, this);
      this.drawFrame(context, tile);
      context.restore();
    }
  }

  sliceOutlines(labels, name, tile) {
    const plane = PLANES[tile.plane];
    const depth = voxelAt(labels.volume, this.settings.crosshair)?.[plane.through] ?? Math.floor((this.settings.crosshair[plane.through] - labels.volume.start[plane.through]) / labels.volume.spacing[plane.through]);
    const key = `${name} ${tile.plane} ${depth}`;
    if (!this.traced.has(key)) {
      if (this.traced.size > 60) this.traced.clear();
      this.traced.set(key, traceSlice(labels, plane, this.settings.crosshair) ?? new Map());
    }
    return this.traced.get(key);
  }

  drawOutlines(context, tile) {
    const one = this.case;
    for (const { labels, name, show } of [
      { labels: one.automatic, name: "automatic", show: (row) => row?.origin === "excluded" },
      { labels: one.labels, name: "final", show: (row) => row && row.origin !== "excluded" },
    ]) {
      const place = placer(labels.volume, tile);
      for (const [label, { edges, right, top }] of this.sliceOutlines(labels, name, tile)) {
        const row = one.row(label);
        if (!show(row)) continue;
        stroke(context, edges, place, this.look(row));
        this.writeNumber(context, row, place(right + 1, top));
      }
    }
    for (const { name, labels, color, dash } of this.others)
      for (const [, { edges }] of this.sliceOutlines(labels, `reader ${name}`, tile)) stroke(context, edges, placer(labels.volume, tile), { color, dash, width: 1.6, scale: this.scale });
    if (!this.preview?.labels) return;
    const found = traceSlice(this.preview.labels, PLANES[tile.plane], this.settings.crosshair) ?? [];
    for (const [, { edges }] of found) stroke(context, edges, placer(this.preview.labels.volume, tile), { color: PREVIEW, dash: [4, 2], width: 2, scale: this.scale });
  }

  look(row) {
    const chosen = this.selected.has(row.label) || this.hovered === row.label;
    return { color: colourOf(row), dash: DASHES[row.origin], width: chosen ? 3 : 1.6, scale: this.scale };
  }

  drawCrosshair(context, tile) {
    const [x, y] = tile.toScreen(this.settings.crosshair).map((v) => Math.round(v) + 0.5);
    const [left, top, width, height] = tile.rect, gap = 9 * this.scale;
    context.strokeStyle = "rgba(0, 150, 255, 0.75)";
    context.lineWidth = this.scale;
    context.beginPath();
    for (const [a, b] of [[left, x - gap], [x + gap, left + width]]) if (b > a) line(context, a, y, b, y);
    for (const [a, b] of [[top, y - gap], [y + gap, top + height]]) if (b > a) line(context, x, a, x, b);
    context.stroke();
  }

  drawMeasures(context, tile) {
    for (const measure of this.measures) measure.draw(context, tile, this);
  }

  /** Name, sides, the frame of the active plane. */
  drawFrame(context, tile) {
    const [left, top, width, height] = tile.rect, s = this.scale;
    const plane = PLANES[tile.plane], isPaper = tile.image === 0 && this.settings.inverted;
    [context.fillStyle, context.strokeStyle] = isPaper ? ["#20262e", "#ffffffb0"] : ["#e6edf3", "#000000b0"];
    context.lineJoin = "round";
    context.lineWidth = 3 * s;
    context.font = `500 ${11 * s}px system-ui, sans-serif`;
    const put = (text, x, y, align, baseline) => {
      context.textAlign = align;
      context.textBaseline = baseline;
      context.strokeText(text, x, y); // a rim, so that it is read on a hot brain too
      context.fillText(text, x, y);
    };
    const name = `${IMAGES[tile.image]} ${plane.name}`, end = 6 * s + context.measureText(name).width;
    put(name, left + 6 * s, top + 5 * s, "left", "top");
    const [l, r, u, d] = plane.sides;
    context.font = `700 ${12 * s}px system-ui, sans-serif`;
    put(l, left + 5 * s, top + height / 2, "left", "middle");
    put(r, left + width - 5 * s, top + height / 2, "right", "middle");
    put(u, left + width / 2, top + (end > width / 2 - 8 * s ? 20 : 5) * s, "center", "top"); // below the name if need be
    put(d, left + width / 2, top + height - 5 * s, "center", "bottom");
    if (tile.plane !== this.plane || this.tiles.length === 1) return;
    context.strokeStyle = "#4cc2ff";
    context.lineWidth = s;
    context.strokeRect(left + s / 2, top + s / 2, width - s, height - s);
  }

  // The projection

  pictureKey(angle) {
    return `${angle} ${this.settings.petWindow[1]}`;
  }

  /** The server's picture, or null while it comes. */
  picture(angle) {
    const key = this.pictureKey(angle);
    if (!this.pictures.has(key)) {
      if (this.pictures.size > 80) this.pictures.clear();
      const coming = getImage(casePath(this.case.id, `/mip/${angle}?window_high=${this.settings.petWindow[1]}`));
      this.pictures.set(key, coming);
      coming.then((bitmap) => (this.pictures.set(key, bitmap), this.angle === angle && this.redraw()), () => this.pictures.delete(key));
    }
    const found = this.pictures.get(key);
    return found instanceof ImageBitmap ? found : null;
  }

  mipOutlines() {
    const key = `mip ${this.angle}`;
    if (!this.traced.has(key)) {
      this.traced.set(key, { final: this.projector.outlines(this.case.labels, this.angle), automatic: this.automaticOutlines() });
    }
    return this.traced.get(key);
  }

  /** No edit changes them, so each angle is traced once a method. */
  automaticOutlines() {
    const { automatic } = this.case;
    automatic.traced ??= new Map();
    if (!automatic.traced.has(this.angle)) automatic.traced.set(this.angle, this.projector.outlines(automatic, this.angle));
    return automatic.traced.get(this.angle);
  }

  drawMip() {
    const s = this.scale;
    resize(this.mip, this.ratio);
    const { width, height } = this.mip, context = this.mip.getContext("2d");
    const fit = fitPicture(this.projector, this.mipBox, width, height);
    this.mipFit = fit;
    context.fillStyle = this.settings.inverted ? "#fff" : "#000";
    context.fillRect(0, 0, width, height);
    const bitmap = this.picture(this.angle) ?? this.lastBitmap;
    this.lastBitmap = bitmap;
    if (bitmap) {
      context.imageSmoothingQuality = "high";
      if (!this.settings.inverted) context.filter = "invert(1)";
      context.drawImage(bitmap, fit.left, fit.top, this.projector.width * fit.scaleX, this.projector.height * fit.scaleY);
      context.filter = "none";
    }
    const place = (c, r) => [fit.left + c * fit.scaleX, fit.top + r * fit.scaleY];
    if (this.outlinesShown && this.case.labels) this.drawMipOutlines(context, place);
    if (this.crosshairShown) this.drawMipCrosshair(context, place);
    this.sketch?.drawMip?.(context, place, this);
    context.fillStyle = this.settings.inverted ? "#20262e" : "#e6edf3";
    context.font = `500 ${11 * s}px system-ui, sans-serif`;
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(`MIP ${this.angle}°`, 6 * s, 5 * s);
    if (this.angle === 0 || this.angle === 180) {
      context.font = `700 ${12 * s}px system-ui, sans-serif`;
      context.textBaseline = "middle";
      const [left, right] = this.angle ? ["L", "R"] : ["R", "L"];
      context.fillText(left, 5 * s, height / 2);
      context.textAlign = "right";
      context.fillText(right, width - 5 * s, height / 2);
    }
  }

  drawMipOutlines(context, place) {
    const { final, automatic } = this.mipOutlines();
    for (const [{ outlines }, excluded] of [[automatic, true], [final, false]])
      for (const [label, { edges }] of outlines) {
        const row = this.case.row(label);
        if (!row || (row.origin === "excluded") !== excluded) continue;
        stroke(context, edges, place, { ...this.look(row), width: this.look(row).width * 0.8 });
      }
    this.taken = [];
    const first = (row) => (this.selected.has(row.label) ? 1e9 : row.volume_ml);
    for (const row of [...this.case.rows].sort((a, b) => first(b) - first(a))) {
      const [x, y] = place(...this.projector.toPicture(this.case.frame.fromLps(row.hottest_mm), this.angle));
      if (row.origin !== "excluded" || this.selected.has(row.label)) this.writeNumber(context, row, [x + 4 * this.scale, y]);
    }
  }

  /** The number of a lesion, unless it would hide another one (the chosen lesion is always named). */
  writeNumber(context, row, [x, y]) {
    const s = this.scale, text = markOf(row);
    const box = [x, y - 13 * s, (4 + 7 * text.length) * s, 13 * s];
    const hides = this.taken.some(([l, t, w, h]) => l < box[0] + box[2] && box[0] < l + w && t < box[1] + box[3] && box[1] < t + h);
    if (hides && !this.selected.has(row.label)) return;
    this.taken.push(box);
    writeNumber(context, text, [x, y], { color: colourOf(row), scale: s });
  }

  drawMipCrosshair(context, place) {
    const [x, y] = place(...this.projector.toPicture(this.settings.crosshair, this.angle)).map((v) => Math.round(v) + 0.5);
    const gap = 7 * this.scale;
    context.strokeStyle = "rgba(0, 150, 255, 0.55)";
    context.lineWidth = this.scale;
    context.beginPath();
    line(context, 0, y, x - gap, y);
    line(context, x + gap, y, this.mip.width, y);
    line(context, x, 0, x, y - gap);
    line(context, x, y + gap, x, this.mip.height);
    context.stroke();
  }

  rotate(steps) {
    this.angle = (((this.angle + STEP * steps) % 360) + 360) % 360;
    this.redraw();
  }

  // Where the reader is

  /** The centre of the PET's voxel at a point, inside the image. */
  snapped(d) {
    const { pet } = this.case;
    const v = d.map((x, a) => Math.max(0, Math.min(pet.dims[a] - 1, Math.floor((x - pet.start[a]) / pet.spacing[a]))));
    return centreOf(pet, v);
  }

  goTo(d) {
    this.settings.crosshair = this.snapped(d);
    if (this.zoom > 1) this.centre = [...this.settings.crosshair];
    this.redraw();
  }

  /** Move the crosshair by voxels of the PET, along an axis of the frame (towards Right, Anterior, Superior). */
  step(axis, count) {
    const d = [...this.settings.crosshair];
    d[axis] += count * Math.abs(this.case.pet.spacing[axis]);
    this.settings.crosshair = this.snapped(d);
    this.redraw();
  }

  zoomBy(factor, about = this.settings.crosshair) {
    const zoom = Math.max(0.5, Math.min(20, this.zoom * factor));
    this.centre = this.centre.map((c, a) => about[a] + ((c - about[a]) * this.zoom) / zoom);
    this.zoom = zoom;
    this.redraw();
  }

  tileAt(at) {
    return this.tiles?.find((tile) => tile.holds(at));
  }

  /** The label under a pixel of the slices, or 0. */
  labelAt(d) {
    const v = voxelAt(this.case.pet, d);
    if (!v) return 0;
    const label = this.case.labels.at(v);
    if (label) return label;
    const before = this.case.automatic.at(v);
    return this.case.row(before)?.origin === "excluded" ? before : 0;
  }

  box() {
    return boxOf(this.case.pet);
  }
}

const colourOf = (row) => (row.origin === "excluded" ? EXCLUDED : row.color);

function placer(volume, tile) {
  const { across, up } = PLANES[tile.plane];
  return (c, r) => [
    tile.rect[0] + (tile.high - (volume.start[across] + c * volume.spacing[across])) / tile.mmPerPixel,
    tile.rect[1] + (tile.top - (volume.start[up] + r * volume.spacing[up])) / tile.mmPerPixel,
  ];
}

function resize(canvas, ratio) {
  const { clientWidth, clientHeight } = canvas.parentElement;
  const width = Math.round(clientWidth * ratio), height = Math.round(clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

export function line(context, x1, y1, x2, y2) {
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
}
