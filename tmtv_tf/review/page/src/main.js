// The page: the work list at #/, a case at #/case/<id>.
import { banner, $ } from "./dom.js";
import { CasePage } from "./casepage.js";
import { WorkList } from "./worklist.js";

let current = null;
let turn = Promise.resolve();

async function show() {
  const [, where, id] = location.hash.split("/");
  await current?.close();
  banner("");
  current = where === "case" && id ? new CasePage(decodeURIComponent(id)) : new WorkList();
  try {
    await current.open($("#app"));
  } catch (problem) {
    console.error(problem);
    banner(problem.message, "problem", { label: "Work list", run: () => (location.hash === "#/" ? show() : (location.hash = "#/")) });
    if ($("#app .loading")) $("#app").replaceChildren();
  }
}

const showNext = () => (turn = turn.then(show, show));
window.addEventListener("hashchange", showNext);
showNext();
