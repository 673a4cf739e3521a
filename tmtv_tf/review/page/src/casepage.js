// The page of one case: it ties state, pictures, table and keys together.
import { about, getCases } from "./about.js";
import { ApiError, casePath } from "./api.js";
import { Case } from "./case.js";
import { $, banner, element, methodName, number, say } from "./dom.js";
import { CASE_KEYS, listen, showHelp } from "./keys.js";
import { Looking } from "./looking.js";
import { Panel } from "./panel.js";
import { Readers } from "./readers.js";
import { readyStage } from "./stage.js";
import { Toolbar } from "./toolbar.js";
import { Tools, TOOLS } from "./tools.js";
import { Viewer } from "./viewer.js";
import { valueAt } from "./volume.js";
import { nextUnread, openCase } from "./worklist.js";

export class CasePage extends Looking {
  constructor(id) {
    super();
    this.id = id;
  }

  async open(place) {
    this.case = new Case(this.id, { changed: (what) => this.changed(what), saving: (state) => this.toolbar.saving(state) });
    this.toolbar = new Toolbar(this);
    this.panel = new Panel({
      setMethod: (method) => this.setMethod(method),
      choose: (label, more) => this.choose(label, more),
      hover: (label) => ((this.viewer.hovered = label), this.viewer.redraw()),
      toggle: (label) => this.toggle([label]),
      redraw: () => this.panel.show(this.case, this.viewer.selected),
    });
    let ready;
    try {
      ready = await readyStage();
    } catch (problem) {
      throw new Error(`This browser shows no WebGL2, which the images need (${problem.message}). Use a current Chrome, Edge or Firefox.`);
    }
    const over = element("canvas", { id: "over", tabindex: 0, role: "img", "aria-label": "Slices of PET, CT and both. Arrow keys move the crosshair." });
    const mip = element("canvas", { id: "mip", tabindex: 0, role: "img", "aria-label": "Rotating maximum intensity projection. Comma and full stop turn it." });
    this.viewer = new Viewer(ready, { slices: ready.canvas, over, mip });
    this.tools = new Tools(this.viewer, {
      edit: (edit) => this.edit(edit),
      preview: (edit) => this.attempt(() => this.case.preview(edit)),
      measure: (centre, radius) => this.attempt(() => this.case.measure(centre, radius)),
      select: (label) => this.choose(label || null),
      moved: (d) => this.readout(d),
      tell: say,
      changed: () => this.controls(),
    });
    this.values = element("output", { id: "values", "aria-label": "SUV and HU under the pointer" });
    this.note = element("div", { id: "note", hidden: true });
    place.replaceChildren(
      this.toolbar.element,
      element(
        "main",
        { class: "case" },
        element("section", { class: "mip", "aria-label": "Projection" }, mip),
        element("section", { class: "slices", "aria-label": "Slices" }, ready.canvas, over, this.note, element("p", { class: "loading" }, "Reading the images…")),
        this.panel.element,
      ),
      element("footer", {}, this.values, element("span", { id: "hint" })),
    );
    this.viewer.placed();
    this.stop = listen(CASE_KEYS, this);
    const { adjudicates } = await about();
    if (adjudicates.length) {
      this.readers = new Readers(adjudicates, (name) => this.adopt(name));
      this.panel.totals.after(this.readers.element);
    }
    await this.case.open(sessionStorage.getItem("method"));
    over.focus({ preventScroll: true });
  }

  /** Before the images are there, only the keys of the case do anything. */
  allows(group) {
    return group === "Case" || Boolean(this.viewer.tiles);
  }

  async close() {
    this.closed = true;
    clearInterval(this.spinning);
    this.stop?.();
    this.viewer?.close();
    await this.case.close().catch(() => {}); // not there any more: the server has written what it had
    document.querySelector("dialog[open]")?.close();
  }

  /** The window closes: no time to wait for the answer. */
  leave() {
    fetch(casePath(this.id, "/close"), { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}", keepalive: true }).catch(() => {});
  }

  /** The server answered: everything on the page is drawn anew from its answer. */
  async changed(what) {
    if (this.closed) return;
    const { viewer } = this;
    if (what === "images") {
      await viewer.show(this.case);
      $(".slices .loading")?.remove();
      this.viewer.over.dataset.ready = this.case.ct || !this.case.state.has_ct ? "all" : "PET";
    }
    if (this.case.pet && this.readers) {
      await this.readers.read(this.case);
      viewer.others = this.readers.others;
    }
    viewer.selected = new Set([...viewer.selected].filter((label) => this.case.row(label)));
    viewer.preview = null;
    viewer.forget();
    this.panel.show(this.case, viewer.selected);
    this.controls();
    this.readout();
  }

  controls() {
    if (!this.case.state || this.closed) return;
    this.toolbar.show();
    this.viewer.over.style.cursor = this.tools.cursor;
    this.showNote();
  }

  /** The bar over the slices: a preview with its volume, or how large the brush is. */
  showNote() {
    const { note, viewer, tools } = this, { preview } = viewer;
    const parts = [];
    if (preview) {
      parts.push(element("strong", {}, preview.voxels ? `${number(preview.volume_ml)} mL, SUVmax ${number(preview.suv_max)}` : "Nothing above the threshold here."), ` within ${tools.limit_mm} mm `);
      if (preview.voxels) parts.push(element("button", { class: "primary", onclick: () => tools.accept() }, "Add (Enter)"));
      parts.push(element("button", { onclick: () => tools.dropPreview() }, "Cancel (Esc)"));
    } else if (["brush", "eraser", "sphere"].includes(tools.name)) parts.push(`${TOOLS[tools.name].label}: radius ${tools.radius_mm} mm `, this.sizer());
    else if (tools.name === "add") parts.push(`Add: at most ${tools.limit_mm} mm from the click `, this.sizer());
    note.replaceChildren(...parts);
    note.hidden = !parts.length;
  }

  sizer() {
    const button = (text, by, name) => element("button", { "aria-label": name, onclick: () => this.tools.resize(by) }, text);
    return element("span", {}, button("−", -1, "smaller"), button("+", 1, "larger"));
  }

  readout(d = this.viewer?.settings.crosshair) {
    const one = this.case;
    if (!one.pet || !d) return;
    const suv = valueAt(one.pet, d), hu = valueAt(one.ct, d);
    const label = this.viewer.labelAt(d), row = label && one.row(label);
    const [x, y, z] = one.frame.toLps(d);
    const where = row ? `  lesion ${label}${row.origin === "excluded" ? ", excluded" : ""}` : "";
    this.values.textContent = `SUV ${suv === null ? "–" : number(suv, 2)}   HU ${hu === null ? "–" : number(hu, 0)}   x ${number(x, 0)} y ${number(y, 0)} z ${number(z, 0)} mm${where}`;
  }

  // Doing

  /** Run something that asks the server; a refusal is told in its own words, and nothing on the page changes. */
  async attempt(task) {
    try {
      return await task();
    } catch (problem) {
      if (!(problem instanceof ApiError)) console.error(problem);
      if (problem.status === 409) await this.elsewhere();
      else banner(problem.message);
      return undefined;
    }
  }

  async elsewhere() {
    await this.attempt(() => this.case.reload());
    banner("Another window or reader changed this case. You see its state now; your last change was not made. Look, and do it again if it is still needed.", "notice");
  }

  edit(edit) {
    return this.make(() => this.case.edit(edit));
  }

  /** Take over what one of the adjudicated readers did. */
  adopt(name) {
    return this.make(() => this.case.adopt(name));
  }

  /** One change; true if it was made. */
  async make(change) {
    const made = await this.attempt(change);
    if (made === null) await this.elsewhere();
    if (!made) return false;
    banner(made.said.join(" "), "notice");
    say(`TMTV ${number(this.case.totals.final.tmtv_ml)} mL, ${this.case.totals.final.lesion_count} lesions.`);
    return true;
  }

  choose(label, more = false) {
    const { viewer } = this;
    if (!more) viewer.selected.clear();
    if (label) {
      if (more && viewer.selected.has(label)) viewer.selected.delete(label);
      else viewer.selected.add(label);
      const row = this.case.row(label);
      const here = viewer.labelAt(viewer.settings.crosshair) === label;
      if (!here) viewer.goTo(this.case.frame.fromLps(row.hottest_mm));
      say(`Lesion ${label}, ${this.case.place(row)}: ${number(row.volume_ml)} mL, SUVmax ${number(row.suv_max)}, ${row.origin}.`);
    }
    viewer.redraw();
    this.panel.show(this.case, viewer.selected);
    if (label) this.panel.reveal(label);
    this.controls();
    this.readout();
  }

  nextLesion(by, more = false) {
    const { order } = this.panel;
    if (!order?.length) return say("No lesion.");
    const at = order.indexOf([...this.viewer.selected].at(-1));
    return this.choose(order[at < 0 ? (by > 0 ? 0 : order.length - 1) : (at + by + order.length) % order.length], more);
  }

  get chosen() {
    return [...this.viewer.selected];
  }

  // What a key means depends on the state after what was asked before it, so each of these waits for that first.

  async toggleSelected() {
    await this.case.queue;
    return this.chosen.length ? this.toggle(this.chosen) : say("Choose a lesion first (n, or a click).");
  }

  async toggle(labels) {
    for (const label of labels) {
      const kind = this.case.row(label)?.origin === "excluded" ? "restore_lesion" : "exclude_lesion";
      if (!(await this.edit({ kind, label }))) return;
    }
  }

  async split() {
    await this.case.queue;
    if (this.chosen.length !== 1) return say("Choose one lesion to split.");
    return this.edit({ kind: "split_lesion", label: this.chosen[0] });
  }

  chooseAll() {
    this.viewer.selected = new Set(this.case.state.lesions.map(({ label }) => label));
    say(`${this.chosen.length} lesions chosen.`);
    this.viewer.redraw();
    this.panel.show(this.case, this.viewer.selected);
    this.controls();
  }

  /** Grow each chosen lesion up to the threshold, from its hottest point as far as the reach of Add; one that is full stays. */
  async fill() {
    await this.case.queue;
    const before = this.case.totals.final.tmtv_ml;
    const labels = this.chosen.filter((label) => this.case.row(label)?.origin !== "excluded");
    if (!labels.length) return say("Choose lesions first (n, or Ctrl+A for all).");
    for (const label of labels) {
      const row = this.case.row(label);
      if (!row || !(await this.fillOne(row))) break;
    }
    say(`Filled: TMTV ${number(before)} to ${number(this.case.totals.final.tmtv_ml)} mL.`);
    return undefined;
  }

  /** Whether to go on: false after an answer that is no refusal of this one lesion. */
  async fillOne({ label, hottest_mm }) {
    const edit = { kind: "add_point", point_mm: hottest_mm, limit_mm: this.tools.limit_mm };
    try {
      if (!(await this.case.preview(edit)).voxels) return true;
    } catch (problem) {
      if (problem.status === 400) return true; // it is full
      return this.attempt(() => Promise.reject(problem));
    }
    const known = new Set(this.case.state.lesions.map((row) => row.label));
    if (!(await this.edit(edit))) return false;
    const fresh = this.case.state.lesions.map((row) => row.label).filter((n) => !known.has(n));
    return !fresh.length || !known.has(label) || this.edit({ kind: "merge_lesions", labels: [label, ...fresh] });
  }

  async merge() {
    await this.case.queue;
    if (this.chosen.length < 2) return say("Choose two or more lesions to merge: Ctrl and click in the table, or Shift+N.");
    return this.edit({ kind: "merge_lesions", labels: this.chosen });
  }

  async undo() {
    await this.case.queue;
    return this.case.state?.can_undo ? this.edit({ kind: "undo" }) : say("Nothing to undo.");
  }

  async redo() {
    await this.case.queue;
    return this.case.state?.can_redo ? this.edit({ kind: "redo" }) : say("Nothing to redo.");
  }

  async setMethod(method) {
    if (method === this.case.state.method) return;
    await this.attempt(() => this.case.setMethod(method));
    sessionStorage.setItem("method", this.case.state.method);
    say(`Method: ${methodName(this.case.state.method)}. TMTV ${number(this.case.totals.final.tmtv_ml)} mL.`);
  }

  nextMethod(by) {
    const { methods, method } = this.case.state;
    return this.setMethod(methods[(methods.indexOf(method) + by + methods.length) % methods.length]);
  }

  async sign() {
    await this.case.queue;
    if (this.case.state.signed && this.case.state.status === "signed") return say("Signed already. A change reopens the case.");
    await this.attempt(() => this.case.sign());
    if (this.case.state.signed) say(`Signed by ${this.case.state.signed.by}.`);
    return undefined;
  }

  async export() {
    const { why } = this.toolbar;
    if (why) return say(why);
    say("Writing SEG, RTSTRUCT, SR and report…");
    const answer = await this.attempt(() => this.case.export());
    say(answer ? "Exported." : "Not exported.");
    if (answer) banner([`Exported to ${answer.folder}: ${answer.files.join(", ")}.`, ...answer.warnings].join(" "), "notice");
    return undefined;
  }

  async nextUnread() {
    const answer = await this.attempt(getCases);
    const id = answer && nextUnread(answer.cases, this.id);
    if (id) openCase(id);
    else if (answer) say("No other case is unread.");
  }

  toList() {
    location.hash = "#/";
  }

  help() {
    showHelp(CASE_KEYS, [
      element(
        "section",
        {},
        element("h3", {}, "Outlines"),
        element("ul", {}, ...["solid, 3: as the network found it", "long dashes, ~3: the network's, changed by a reader", "short dashes, +12: added by a reader", "grey dots, ×3: excluded"].map((t) => element("li", {}, t))),
        element("h3", {}, "Mouse"),
        element("ul", {}, ...["click: crosshair, choose a lesion", "wheel: scroll; Ctrl wheel: zoom", "right drag: window; Shift drag: move", "double click: one image alone", "MIP: drag turns it, click goes to the hottest point"].map((t) => element("li", {}, t))),
      ),
    ]);
  }

  dropMeasure() {
    if (this.tools.projection.takeCornerBack()) return;
    this.look(() => this.viewer.measures.pop());
  }
  escape() {
    const { tools, viewer } = this;
    if (viewer.preview) return tools.dropPreview();
    if (tools.projection.corners.length) return void (tools.projection.dropCorners(), say("Cancelled."));
    if (tools.name !== "look") return tools.choose("look");
    return this.choose(null);
  }
}
