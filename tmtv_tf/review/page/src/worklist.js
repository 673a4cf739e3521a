// The work list: every case, its state, its TMTV before and after.
import { getCases } from "./about.js";
import { banner, element, number, say } from "./dom.js";
import { readyStage } from "./stage.js";
import { LIST_KEYS, listen, showHelp } from "./keys.js";

export const STATUS = { unread: "unread", in_progress: "in progress", signed: "signed", reopened: "reopened", failed: "failed" };
const ORDER = Object.keys(STATUS);
const memory = { text: "", status: "", by: "case_id", down: false }; // kept while the page lives

export const nextUnread = (cases, after) => {
  const from = cases.findIndex((c) => c.case_id === after) + 1;
  return [...cases.slice(from), ...cases.slice(0, from)].find((c) => c.status === "unread" && c.case_id !== after)?.case_id ?? null;
};
export const openCase = (id) => (location.hash = `#/case/${encodeURIComponent(id)}`);

export class WorkList {
  async open(place) {
    this.answer = await getCases();
    this.method = this.mainMethod();
    this.search = element("input", { type: "search", placeholder: "Search case or reason ( / )", "aria-label": "Search", value: memory.text, oninput: () => this.filter() });
    this.status = element("select", { "aria-label": "Status", onchange: () => this.filter() }, element("option", { value: "" }, "every status"), ...ORDER.map((s) => element("option", { value: s, selected: s === memory.status }, STATUS[s])));
    this.count = element("span", { class: "count", "aria-live": "polite" });
    this.head = element("tr");
    this.body = element("tbody");
    const { reader, cases } = this.answer;
    place.replaceChildren(
      element(
        "header",
        { class: "bar" },
        element("h1", {}, "tmtv review"),
        element("span", { class: "reader" }, `Reader: ${reader}`),
        this.search,
        this.status,
        this.count,
        element("span", { class: "space" }),
        element("button", { onclick: () => this.nextUnread(), title: "u" }, "Next unread"),
        element("a", { class: "button", href: "/api/cohort.csv", download: "cohort.csv" }, "Table of all cases (CSV)"),
        element("button", { onclick: () => this.help(), "aria-label": "Help", title: "?" }, "?"),
      ),
      element("main", { class: "list" }, element("table", { class: "cases", "aria-label": "Cases" }, element("thead", {}, this.head), this.body)),
      element("footer", { id: "hint" }, "Research software, not a medical device."),
    );
    this.rows = cases.map((one) => ({ one, line: this.line(one) }));
    this.filter();
    this.stop = listen(LIST_KEYS, this);
    setTimeout(() => readyStage().catch(() => {}), 50); // shaders compile while the reader looks at the list
    (this.body.querySelector(`tr[data-id="${CSS.escape(memory.last ?? "")}"]`) ?? this.body.querySelector("tr"))?.focus();
  }

  close() {
    this.stop?.();
  }

  mainMethod() {
    const names = new Set(this.answer.cases.flatMap((c) => Object.keys(c.tmtv_ml ?? {})));
    return names.has("41") ? "41" : ([...names][0] ?? "41");
  }

  get columns() {
    return [
      ["case_id", "Case", (c) => c.case_id, (c) => c.case_id],
      ["status", "Status", (c) => ORDER.indexOf(c.status), (c) => STATUS[c.status] ?? c.status],
      ["tmtv", `TMTV network, mL (${this.method})`, (c) => c.tmtv_ml?.[this.method] ?? -1, (c) => number(c.tmtv_ml?.[this.method])],
      ["final", "final, mL", (c) => c.tmtv_final_ml?.[this.method] ?? -1, (c) => number(c.tmtv_final_ml?.[this.method])],
      ["lesions", "Lesions", (c) => c.lesion_count ?? -1, (c) => number(c.lesion_count, 0)],
      ["ct", "CT", (c) => (c.has_ct ? 0 : 1), (c) => (c.has_ct ? "yes" : "no")],
      ["reason", "Note", (c) => c.reason ?? "", (c) => c.reason ?? ""],
    ];
  }

  line(one) {
    const open = () => (one.status === "failed" ? banner(`${one.case_id} cannot be opened: ${one.reason}`) : openCase(one.case_id));
    return element(
      "tr",
      { tabindex: -1, "data-id": one.case_id, class: one.status, onclick: open, onkeydown: (event) => event.key === "Enter" && open(), onfocus: () => (memory.last = one.case_id) },
      ...this.columns.map(([key, , , text]) => element("td", { class: key }, key === "status" ? element("span", { class: `chip ${one.status}` }, text(one)) : text(one))),
    );
  }

  filter() {
    memory.text = this.search.value;
    memory.status = this.status.value;
    const words = memory.text.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = this.rows.filter(({ one }) => (!memory.status || one.status === memory.status) && words.every((w) => `${one.case_id} ${one.reason ?? ""}`.toLowerCase().includes(w)));
    const value = this.columns.find(([key]) => key === memory.by)[2];
    shown.sort((a, b) => compare(value(a.one), value(b.one)) * (memory.down ? -1 : 1) || compare(a.one.case_id, b.one.case_id));
    this.shown = shown;
    this.body.replaceChildren(...shown.map(({ line }) => line));
    if (shown[0]) shown[0].line.tabIndex = 0;
    const unread = this.answer.cases.filter((c) => c.status === "unread").length;
    this.count.textContent = `${shown.length} of ${this.rows.length} cases, ${unread} unread`;
    this.drawHead();
  }

  drawHead() {
    this.head.replaceChildren(
      ...this.columns.map(([key, title]) => {
        const sorted = memory.by === key ? (memory.down ? "descending" : "ascending") : "none";
        const turn = () => (Object.assign(memory, { by: key, down: memory.by === key ? !memory.down : key === "tmtv" || key === "final" || key === "lesions" }), this.filter());
        return element("th", { scope: "col", class: key, "aria-sort": sorted }, element("button", { onclick: turn }, title, sorted === "none" ? "" : memory.down ? " ▾" : " ▴"));
      }),
    );
  }

  moveFocus(by) {
    const lines = this.shown.map(({ line }) => line);
    const at = lines.indexOf(document.activeElement);
    lines[Math.max(0, Math.min(lines.length - 1, at + by))]?.focus();
  }

  nextUnread() {
    const id = nextUnread(this.answer.cases, null);
    if (id) openCase(id);
    else say("No case is unread.");
  }

  help() {
    showHelp(LIST_KEYS);
  }
}

const compare = (a, b) => (typeof a === "string" ? (a < b ? -1 : a > b ? 1 : 0) : a - b);
