// The numbers at the right: totals of every method, the table of lesions.
import { element, methodName, number } from "./dom.js";
import { MARKS } from "./outlines.js";

const ORIGINS = { automatic: "network", changed: "changed", added: "added", excluded: "excluded" };
const COLUMNS = [
  ["label", "No.", (r) => r.label, (r) => String(r.label)],
  ["place", "Place", (r) => r.place, (r) => r.place],
  ["volume_ml", "mL", (r) => r.volume_ml, (r) => number(r.volume_ml)],
  ["suv_max", "SUVmax", (r) => r.suv_max, (r) => number(r.suv_max)],
  ["suv_peak", "SUVpeak", (r) => r.suv_peak ?? -1, (r) => number(r.suv_peak)],
  ["tlg", "TLG g", (r) => r.tlg, (r) => number(r.tlg, 0)],
];

export class Panel {
  /** `actions`: setMethod, choose(label, additive), hover(label|null), toggle(label). */
  constructor(actions) {
    this.actions = actions;
    this.sort = { by: "label", down: false };
    this.totals = element("section", { class: "totals", "aria-label": "Total metabolic tumour volume" });
    // On the body, not on its rows: they are made anew under the pointer.
    const hover = (event) => actions.hover(Number(event.target.closest("tr")?.dataset.label) || null);
    this.body = element("tbody", { onmouseover: hover, onmouseleave: () => actions.hover(null) });
    this.head = element("tr");
    this.table = element("table", { class: "lesions", "aria-label": "Lesions" }, element("thead", {}, this.head), this.body);
    this.warnings = element("ul", { class: "warnings", "aria-label": "Warnings" });
    this.element = element("aside", { class: "panel" }, this.totals, element("div", { class: "scroll" }, this.table), this.warnings);
  }

  show(one, selected) {
    this.drawTotals(one);
    this.drawHead();
    const { by, down } = this.sort;
    const value = COLUMNS.find(([name]) => name === by)?.[2] ?? ((r) => Object.keys(ORIGINS).indexOf(r.origin));
    const rows = one.rows.map((row) => ({ ...row, place: one.place(row) })).sort((a, b) => order(value(a), value(b)) * (down ? -1 : 1) || a.label - b.label);
    this.order = rows.map((r) => r.label);
    const focused = document.activeElement?.closest?.("tr[data-label]")?.dataset.label;
    this.body.replaceChildren(...rows.map((row) => this.line(row, selected)));
    if (!rows.length) this.body.append(element("tr", {}, element("td", { colspan: COLUMNS.length + 2, class: "none" }, "No lesion.")));
    this.body.querySelector(`tr[data-label="${focused}"]`)?.focus({ preventScroll: true });
    this.warnings.replaceChildren(...one.state.warnings.map((text) => element("li", {}, text)));
    this.warnings.hidden = !one.state.warnings.length;
  }

  line(row, selected) {
    const { actions } = this, label = row.label, gone = row.origin === "excluded";
    const name = `Lesion ${label}, ${ORIGINS[row.origin]}${row.place ? `, ${row.place}` : ""}, ${number(row.volume_ml)} mL`;
    const made = element(
      "tr",
      {
        "data-label": label,
        class: row.origin,
        tabindex: 0,
        "aria-label": name,
        "aria-selected": String(selected.has(label)),
        onclick: (event) => actions.choose(label, event.ctrlKey || event.metaKey),
        onkeydown: (event) => event.key === "Enter" && event.target === event.currentTarget && (event.stopPropagation(), actions.choose(label, event.ctrlKey)),
      },
      element("td", {}, swatch(row)),
      ...COLUMNS.map(([key, , , text]) => element("td", { class: key, title: key === "place" ? `${row.place}: side, and third of the imaged body` : null }, text(row))),
      element(
        "td",
        {},
        element("button", { class: "small", title: gone ? "Include again (e)" : "Exclude (e)", "aria-label": `${gone ? "Include" : "Exclude"} lesion ${label}`, onclick: (event) => (event.stopPropagation(), actions.toggle(label)) }, gone ? "Include" : "✕"),
      ),
    );
    return made;
  }

  drawHead() {
    const { sort } = this;
    const heads = [["origin", ""], ...COLUMNS];
    this.head.replaceChildren(
      ...heads.map(([key, title]) => {
        const sorted = sort.by === key ? (sort.down ? "descending" : "ascending") : "none";
        return element("th", { "aria-sort": sorted, scope: "col", class: key }, element("button", { onclick: () => this.sortBy(key), title: "Sort" }, title || element("span", { class: "unseen" }, "Who drew it"), sorted === "none" ? "" : sort.down ? " ▾" : " ▴"));
      }),
      element("th", { scope: "col" }, element("span", { class: "unseen" }, "Exclude or include")),
    );
  }

  sortBy(key) {
    this.sort = { by: key, down: this.sort.by === key ? !this.sort.down : key !== "label" && key !== "place" && key !== "origin" };
    this.actions.redraw();
  }

  drawTotals(one) {
    const { state, totals } = one, { automatic, final } = totals;
    const changed = Math.abs(final.tmtv_ml - automatic.tmtv_ml) > 1e-9;
    const rows = state.methods.map((method) => {
      const of = state.totals[method];
      return element(
        "tr",
        { class: method === state.method ? "current" : "" },
        element("th", { scope: "row" }, element("button", { onclick: () => this.actions.setMethod(method), "aria-pressed": String(method === state.method), title: "Show this method (t: next)" }, methodName(method))),
        element("td", {}, number(of.automatic.tmtv_ml)),
        element("td", { class: "final" }, number(of.final.tmtv_ml)),
      );
    });
    const fact = (title, key, digits, unit) =>
      element("div", {}, element("dt", {}, title), element("dd", { id: `final-${key}` }, `${number(final[key], digits)}${unit}`), element("dd", { class: "before" }, final[key] === automatic[key] ? "" : `was ${number(automatic[key], digits)}`));
    this.totals.replaceChildren(
      element(
        "div",
        { class: "headline" },
        element("span", { class: "name" }, "TMTV"),
        element("strong", { id: "tmtv", "data-ml": final.tmtv_ml }, number(final.tmtv_ml)),
        element("span", { class: "unit" }, "mL"),
        element("span", { class: "before" }, changed ? `network: ${number(automatic.tmtv_ml)} mL` : "as the network found it"),
      ),
      element("dl", {}, fact("TLG", "tlg", 0, " g"), fact("Dmax", "dmax_mm", 0, " mm"), fact("SUVmax", "suv_max", 1, ""), fact("Lesions", "lesion_count", 0, "")),
      element("table", { class: "methods" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "TMTV, mL"), element("th", { scope: "col" }, "network"), element("th", { scope: "col" }, "final"))), element("tbody", {}, ...rows)),
    );
  }

  reveal(label) {
    this.body.querySelector(`tr[data-label="${label}"]`)?.scrollIntoView({ block: "nearest" });
  }
}

function swatch(row) {
  const made = element("span", { class: `swatch ${row.origin}`, title: ORIGINS[row.origin] }, MARKS[row.origin] || "");
  made.style.borderColor = row.origin === "excluded" ? "" : row.color;
  return made;
}

const order = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
