// The bar at the top: where you are, tools, what is saved, sign and export.
import { about } from "./about.js";
import { element, icon, methodName } from "./dom.js";
import { PLANES } from "./planes.js";
import { TOOLS } from "./tools.js";
import { CT_WINDOWS, PET_WINDOWS } from "./viewer.js";
import { STATUS } from "./worklist.js";

const SAVED = { saved: "Saved", saving: "Saving…", lost: "Not saved: no server" };

export class Toolbar {
  constructor(page) {
    this.page = page;
    this.why = "The server has not said yet whether it can export.";
    const button = (text, title, action, properties = {}) => element("button", { title, onclick: action, ...properties }, text);
    this.status = element("span", { class: "chip" });
    this.signed = element("span", { class: "signed" });
    this.saved = element("span", { class: "saved", role: "status" }, SAVED.saved);
    this.method = element("select", { "aria-label": "Method (t)", title: "Method (t)", onchange: (e) => (page.setMethod(e.target.value), e.target.blur()) });
    this.petWindow = element("select", { "aria-label": "PET window (1 to 6)", title: "PET window (1 to 6)", onchange: (e) => (page.petWindow(e.target.selectedIndex), e.target.blur()) });
    this.ctWindow = element("select", { "aria-label": "CT window (w)", title: "CT window (w)", onchange: (e) => this.setCtWindow(e.target) });
    this.layout = element("select", { "aria-label": "Layout (g)", title: "Layout (g)", onchange: (e) => (page.setLayout(e.target.value), e.target.blur()) }, element("option", { value: "all" }, "all planes"), ...PLANES.map((p) => element("option", { value: p.name }, `${p.name} only`)));
    this.tools = Object.entries(TOOLS).map(([name, tool]) =>
      button("", `${tool.label} (${tool.key === "Escape" ? "Esc" : tool.key}). ${tool.hint}`, () => page.tools.choose(name), { "data-tool": name, "aria-label": tool.label, class: "tool" }),
    );
    Object.values(TOOLS).forEach(({ icon: path, label }, i) => this.tools[i].append(icon(path), element("span", {}, label)));
    this.undo = button("↶ Undo", "Undo (z)", () => page.undo(), { id: "undo" });
    this.redo = button("↷ Redo", "Redo (y)", () => page.redo(), { id: "redo" });
    this.split = button("Split", "Split the chosen lesion (s)", () => page.split());
    this.fill = button("Fill", "Fill the chosen lesions up to the threshold, within the reach of Add (Shift+F; all: Ctrl+A)", () => page.fill());
    this.merge = button("Merge", "Merge the chosen lesions (m)", () => page.merge());
    this.sign = button("Sign", "Sign (Shift+S)", () => page.sign(), { id: "sign", class: "primary" });
    this.export = button("Export", "Export (Shift+E)", () => page.export(), { id: "export" });
    const group = (name, ...children) => element("div", { class: "group", role: "group", "aria-label": name }, ...children);
    this.element = element(
      "header",
      { class: "bar case" },
      group("Case", element("a", { class: "button", href: "#/", title: "Work list (q)" }, "☰ List"), element("strong", { class: "id" }, page.id), this.status, this.signed),
      group("Method and windows", this.method, this.petWindow, this.ctWindow, this.layout),
      group("Tools", ...this.tools),
      group("Changes", this.fill, this.split, this.merge, this.undo, this.redo),
      element("span", { class: "space" }),
      group("Save", this.saved, this.sign, this.export, button("Next unread", "Next unread case (u)", () => page.nextUnread()), button("?", "Help (?)", () => page.help(), { "aria-label": "Help" })),
    );
    about().then(({ canExport, whyNot }) => ((this.why = canExport ? null : whyNot), this.show()), () => {});
  }

  show() {
    const { page } = this, { state } = page.case;
    if (!state) return;
    this.status.textContent = STATUS[state.status] ?? state.status;
    this.status.className = `chip ${state.status}`;
    this.signed.textContent = state.signed ? `${state.status === "signed" ? "signed" : "was signed"} by ${state.signed.by}, ${state.signed.time.slice(0, 16).replace("T", " ")}` : "";
    fill(this.method, state.methods.map((m) => [m, methodName(m)]), state.method);
    const { petWindow, ctWindow } = page.viewer.settings;
    fill(this.petWindow, withOwn(PET_WINDOWS.map((high) => [String(high), `SUV 0 to ${high}`]), String(petWindow[1]), `SUV 0 to ${petWindow[1]}`), String(petWindow[1]));
    const own = ctWindow.map(Math.round).join(" to ");
    fill(this.ctWindow, withOwn(CT_WINDOWS.map(([name, low, high]) => [`${low} to ${high}`, `CT ${name}`]), own, `HU ${own}`), own);
    this.ctWindow.disabled = !state.has_ct;
    this.layout.value = typeof page.viewer.layout === "string" ? page.viewer.layout : "all";
    for (const made of this.tools) made.setAttribute("aria-pressed", String(made.dataset.tool === page.tools.name));
    this.undo.disabled = !state.can_undo;
    this.redo.disabled = !state.can_redo;
    this.fill.disabled = !page.chosen.length;
    this.split.disabled = page.chosen.length !== 1;
    this.merge.disabled = page.chosen.length < 2;
    this.sign.textContent = state.status === "reopened" ? "Sign again" : "Sign";
    this.sign.disabled = state.status === "signed";
    // Not `disabled`: the button still takes the focus and says why.
    this.export.setAttribute("aria-disabled", String(Boolean(this.why)));
    this.export.title = this.why ?? "SEG, RTSTRUCT, SR and report (Shift+E)";
  }

  setCtWindow(select) {
    const { viewer } = this.page, chosen = CT_WINDOWS[select.selectedIndex];
    if (chosen) this.page.look(() => (viewer.settings.ctWindow = chosen.slice(1)));
    select.blur();
  }

  saving(state) {
    this.saved.textContent = SAVED[state];
    this.saved.className = `saved ${state}`;
  }
}

const withOwn = (options, value, text) => (options.some(([v]) => v === value) ? options : [...options, [value, text]]);

function fill(select, options, value) {
  const key = JSON.stringify(options);
  if (select.dataset.key !== key) {
    select.replaceChildren(...options.map(([v, text]) => element("option", { value: v }, text)));
    select.dataset.key = key;
  }
  select.value = value;
}
