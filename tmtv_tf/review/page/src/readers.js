// Adjudication: two readers, blind to each other until now, over the images of one case.
import { casePath, getBytes, getJson } from "./api.js";
import { element, number } from "./dom.js";
import { Labels } from "./labels.js";

/** Told apart by colour and by dashes. */
const LOOKS = [
  { color: "#19d3f3", dash: [] },
  { color: "#ff6ad5", dash: [6, 3] },
];

export class Readers {
  /** `adopt(name)`: take over what a reader did. */
  constructor(names, adopt) {
    Object.assign(this, { names, adopt, others: [], method: null });
    this.element = element("section", { class: "readers", "aria-label": "Readers" });
  }

  /** Both readers' lesions by the method that is shown; they do not change while this page is open. */
  async read(one) {
    const { method } = one.state;
    if (this.method === method) return;
    const { readers } = await getJson(casePath(one.id, `/adjudication?method=${encodeURIComponent(method)}`));
    this.others = await Promise.all(
      this.names.map(async (name, i) => {
        const bytes = await getBytes(casePath(one.id, `/labels/${encodeURIComponent(method)}?of=${encodeURIComponent(name)}`));
        return { name, ...LOOKS[i % 2], state: readers[name], labels: Labels.read(bytes, one.frame) };
      }),
    );
    this.method = method;
    this.show(one);
  }

  show(one) {
    const voxelMl = Math.abs(one.labels.volume.spacing.reduce((a, b) => a * b)) / 1000;
    const [a, b] = this.others;
    const inB = b.labels.volume.data;
    const both = a.labels.index.reduce((n, at) => n + (inB[at] ? 1 : 0), 0);
    const ml = (voxels) => `${number(voxels * voxelMl)} mL`;
    const dice = a.labels.index.length + b.labels.index.length ? (2 * both) / (a.labels.index.length + b.labels.index.length) : NaN;
    this.element.replaceChildren(
      element("h2", {}, "Two readers"),
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...["Reader", "TMTV mL", "TLG g", "Lesions", "Status"].map((t) => element("th", { scope: "col" }, t)), element("th", { scope: "col" }, element("span", { class: "unseen" }, "Take over")))),
        element("tbody", {}, ...this.others.map((other) => this.line(other))),
      ),
      element("p", {}, `Both ${ml(both)}, only ${a.name} ${ml(a.labels.index.length - both)}, only ${b.name} ${ml(b.labels.index.length - both)}. Dice ${number(dice, 2)}.`),
    );
  }

  line({ name, color, dash, state }) {
    const final = state.totals[state.method].final;
    const key = element("span", { class: "line" });
    key.style.borderTop = `3px ${dash.length ? "dashed" : "solid"} ${color}`;
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, key, name),
      ...[number(final.tmtv_ml), number(final.tlg, 0), number(final.lesion_count, 0), state.status.replace("_", " ")].map((t) => element("td", {}, t)),
      element("td", {}, element("button", { class: "small", title: "Your result becomes that of this reader; undo goes back", "aria-label": `Take over the edits of ${name}`, onclick: () => this.adopt(name) }, "Take over")),
    );
  }
}
