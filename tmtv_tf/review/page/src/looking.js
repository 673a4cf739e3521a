// What only changes how a case is shown: crosshair, planes, windows, layout, the turning projection.
import { say } from "./dom.js";
import { IMAGES, PLANES } from "./planes.js";
import { CT_WINDOWS, PET_WINDOWS } from "./viewer.js";

const SPIN_MS = 120;

/** The part of the page of a case that asks the server nothing. It has `case` and `viewer`, `controls()` and `readout()`. */
export class Looking {
  look(change) {
    if (!this.case.pet) return;
    change();
    this.viewer.redraw();
    this.controls();
    this.readout();
  }

  arrow(right, up) {
    const { across, up: upAxis } = PLANES[this.viewer.plane];
    // The axis across points to the left of the screen (planes.js).
    this.look(() => (right ? this.viewer.step(across, -right) : this.viewer.step(upAxis, up)));
  }
  scroll(by) {
    this.look(() => this.viewer.step(PLANES[this.viewer.plane].through, by));
  }
  nextPlane() {
    this.look(() => {
      this.viewer.plane = (this.viewer.plane + 1) % 3;
      if (this.viewer.layout !== "all") this.viewer.layout = PLANES[this.viewer.plane].name;
      say(`Active plane: ${PLANES[this.viewer.plane].name}.`);
    });
  }
  petWindow(index) {
    this.look(() => (this.viewer.settings.petWindow = [0, PET_WINDOWS[index]]));
  }
  nextCtWindow() {
    const { ctWindow } = this.viewer.settings;
    const at = CT_WINDOWS.findIndex(([, low, high]) => low === ctWindow[0] && high === ctWindow[1]);
    const [name, low, high] = CT_WINDOWS[(at + 1) % CT_WINDOWS.length];
    this.look(() => (this.viewer.settings.ctWindow = [low, high]));
    say(`CT window: ${name}.`);
  }
  flip(name) {
    this.look(() => (this.viewer.settings[name] = !this.viewer.settings[name]));
  }
  hide(name) {
    this.look(() => (this.viewer[name] = !this.viewer[name]));
  }
  fit() {
    this.look(() => this.viewer.fit());
  }
  setLayout(layout) {
    this.look(() => {
      this.viewer.layout = layout;
      const plane = PLANES.findIndex((p) => p.name === layout);
      if (plane >= 0) this.viewer.plane = plane;
    });
  }
  nextLayout() {
    const layouts = ["all", ...PLANES.map((p) => p.name)];
    const { layout } = this.viewer;
    this.setLayout(layouts[(layouts.indexOf(layout) + 1) % layouts.length]);
    say(`Layout: ${this.viewer.layout === "all" ? `${IMAGES.length} images in 3 planes` : this.viewer.layout}.`);
  }
  spin() {
    if (this.spinning) clearInterval(this.spinning);
    this.spinning = this.spinning ? null : setInterval(() => this.viewer.rotate(1), SPIN_MS);
  }
}
