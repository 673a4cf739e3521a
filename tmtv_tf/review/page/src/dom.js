// Small helpers for building the page.

/** element("td", { class: "n", onclick: f }, "text", child, ...) */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(made.style, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

/** A line drawing in a box of 16 x 16. */
export function icon(path) {
  const of = (tag, properties, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  return of("svg", { viewBox: "0 0 16 16", "aria-hidden": "true", class: "icon" }, of("path", { d: path }));
}

export const $ = (selector) => document.querySelector(selector);

/** Say something to screen readers, and in the line below the images. */
export function say(text) {
  $("#said").textContent = text;
  const line = $("#hint");
  if (line) line.textContent = text;
}

/** A banner stays until it is closed or replaced: what went wrong and what to do. */
export function banner(text, kind = "problem", action = null) {
  const place = $("#banner");
  place.hidden = !text;
  place.className = kind;
  place.replaceChildren();
  if (!text) return;
  place.append(element("span", {}, text));
  if (action) place.append(element("button", { onclick: action.run }, action.label));
  place.append(element("button", { "aria-label": "Close this message", onclick: () => banner("") }, "✕"));
}

export const number = (value, digits = 1) =>
  value === null || value === undefined || Number.isNaN(value) ? "–" : value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Methods as the report calls them. */
const METHOD_NAMES = {
  raw: "whole mask, no threshold",
  41: "41 % of SUVmax",
  "2.5": "SUV > 2.5",
  "4.0": "SUV > 4.0",
  otsu: "Otsu's threshold",
  "50p": "50 % of SUVpeak",
};
export const methodName = (method) => METHOD_NAMES[method] ?? method;
