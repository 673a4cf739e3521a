// Every key of the page, once: the handler and the help overlay read the same list.
import { element } from "./dom.js";
import { TOOLS } from "./tools.js";

/** Groups of [keys, what they do, action(page, event)]. A key is `event.key`, with "Ctrl+" or "Shift+" where it matters. */
export const CASE_KEYS = [
  ["Lesions", [
    [["n", "j"], "next lesion", (p) => p.nextLesion(1)],
    [["p", "k"], "previous lesion", (p) => p.nextLesion(-1)],
    [["e", "Delete"], "exclude the chosen lesions, or include them again", (p) => p.toggleSelected()],
    [["Shift+N"], "choose one more lesion (to merge)", (p) => p.nextLesion(1, true)],
    [["Ctrl+a"], "choose all lesions", (p) => p.chooseAll()],
    [["Shift+F"], "fill the chosen lesions up to the threshold, within the reach of Add", (p) => p.fill()],
    [["s"], "split the chosen lesion", (p) => p.split()],
    [["m"], "merge the chosen lesions", (p) => p.merge()],
    [["z", "Ctrl+z"], "undo", (p) => p.undo()],
    [["y", "Ctrl+y", "Ctrl+Shift+Z"], "redo", (p) => p.redo()],
  ]],
  ["Tools", [
    ...Object.entries(TOOLS).filter(([name]) => name !== "look").map(([name, tool]) => [[tool.key], tool.label.toLowerCase(), (p) => p.tools.choose(p.tools.name === name ? "look" : name)]),
    [["Enter"], "use the tool at the crosshair; accept a preview; a corner of a box or lasso", (p) => p.tools.enter()],
    [["["], "smaller brush, sphere, reach", (p) => p.tools.resize(-1)],
    [["]"], "larger brush, sphere, reach", (p) => p.tools.resize(1)],
    [["Backspace"], "remove the last corner of a lasso, or the last measure", (p) => p.dropMeasure()],
    [["Escape"], "cancel; back to looking", (p) => p.escape()],
  ]],
  ["Move", [
    [["ArrowLeft"], "crosshair to the left", (p) => p.arrow(-1, 0)],
    [["ArrowRight"], "crosshair to the right", (p) => p.arrow(1, 0)],
    [["ArrowUp"], "crosshair up", (p) => p.arrow(0, 1)],
    [["ArrowDown"], "crosshair down", (p) => p.arrow(0, -1)],
    [["PageUp"], "next slice (Shift: ten)", (p, e) => p.scroll(e.shiftKey ? 10 : 1)],
    [["PageDown"], "previous slice (Shift: ten)", (p, e) => p.scroll(e.shiftKey ? -10 : -1)],
    [["v"], "next plane: axial, coronal, sagittal", (p) => p.nextPlane()],
    [[","], "turn the MIP", (p) => p.viewer.rotate(-1)],
    [["."], "turn the MIP the other way", (p) => p.viewer.rotate(1)],
    [[" "], "MIP: turn by itself, stop", (p) => p.spin()],
  ]],
  ["Look", [
    [["1", "2", "3", "4", "5", "6"], "PET window 0 to 5, 7, 10, 15, 20, 30", (p, e) => p.petWindow(Number(e.key) - 1)],
    [["w"], "next CT window: soft tissue, lung, bone, wide", (p) => p.nextCtWindow()],
    [["i"], "invert the PET", (p) => p.flip("inverted")],
    [["f"], "fit to the body", (p) => p.fit()],
    [["+", "="], "larger", (p) => p.viewer.zoomBy(1.25)],
    [["-"], "smaller", (p) => p.viewer.zoomBy(0.8)],
    [["g"], "next layout: all planes, then each alone", (p) => p.nextLayout()],
    [["h"], "hide or show the outlines", (p) => p.hide("outlinesShown")],
    [["c"], "hide or show the crosshair", (p) => p.hide("crosshairShown")],
  ]],
  ["Case", [
    [["t"], "next method (threshold)", (p) => p.nextMethod(1)],
    [["Shift+T"], "previous method", (p) => p.nextMethod(-1)],
    [["Shift+S"], "sign", (p) => p.sign()],
    [["Shift+E"], "export", (p) => p.export()],
    [["u"], "next unread case", (p) => p.nextUnread()],
    [["q"], "work list", (p) => p.toList()],
    [["?"], "this help", (p) => p.help()],
  ]],
];

export const LIST_KEYS = [
  ["Work list", [
    [["/"], "search", (p) => p.search.focus()],
    [["ArrowDown", "j"], "next case", (p) => p.moveFocus(1)],
    [["ArrowUp", "k"], "previous case", (p) => p.moveFocus(-1)],
    [["Enter"], "open the case", null],
    [["u"], "next unread case", (p) => p.nextUnread()],
    [["?"], "this help", (p) => p.help()],
  ]],
];

const named = (event) => {
  const key = event.key.length === 1 && event.ctrlKey && !event.shiftKey ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (/^[A-Z]$/.test(key) || key.length > 1);
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shift ? "Shift+" : ""}${key}`;
};

/**
 * Send keys to `page`; returns a function that stops it. Fields keep their keys, buttons their Enter and space.
 * `page.allows(group)`, where there is one, says whether the keys of a group do anything yet.
 */
export function listen(groups, page) {
  const actions = new Map(groups.flatMap(([group, list]) => list.flatMap(([keys, , action]) => keys.map((key) => [key, { group, action }]))));
  const handler = (event) => {
    if (event.altKey || event.defaultPrevented) return;
    const dialog = document.querySelector("dialog[open]");
    if (dialog) return;
    const field = event.target.closest?.("input, select, textarea");
    if (field && event.key !== "Escape") return;
    if (event.target.closest?.("button, a") && (event.key === "Enter" || event.key === " ")) return;
    let name = named(event);
    if (!actions.has(name) && /^(Shift\+)Page/.test(name)) name = name.slice(6);
    const { group, action } = actions.get(name) ?? {};
    if (!action || page.allows?.(group) === false) return;
    event.preventDefault();
    if (field) field.blur();
    action(page, event);
  };
  document.addEventListener("keydown", handler);
  return () => document.removeEventListener("keydown", handler);
}

const SHOWN = { " ": "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", PageUp: "Page ↑", PageDown: "Page ↓" };
const shown = (key) => (SHOWN[key] ?? key).replace("Shift+Z", "Shift+z");

export function showHelp(groups, extra = []) {
  document.querySelector("dialog.help")?.remove();
  const dialog = element(
    "dialog",
    { class: "help", "aria-label": "Help" },
    element("header", {}, element("h2", {}, "Help"), element("button", { "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
    element(
      "div",
      { class: "groups" },
      ...groups.map(([title, list]) =>
        element("section", {}, element("h3", {}, title), element("dl", {}, ...list.flatMap(([keys, what]) => [element("dt", {}, ...keys.map((key) => element("kbd", {}, shown(key)))), element("dd", {}, what)]))),
      ),
      ...extra,
    ),
  );
  dialog.addEventListener("keydown", (event) => event.key === "?" && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
