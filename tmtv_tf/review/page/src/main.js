// The page: the work list at #/, a case at #/case/<id>.
import { banner, $ } from "./dom.js";
import { CasePage } from "./casepage.js";
import { WorkList } from "./worklist.js";

let current = null;
let turn = Promise.resolve();

async function show() {
  const [, where, id] = location.hash.split("/");
  const leaving = current?.close();
  if (where !== "case") await leaving; // the list shows what was written
  banner("");
  document.title = where === "case" && id ? `${decodeURIComponent(id)} – tmtv review` : "tmtv review";
  current = where === "case" && id ? new CasePage(decodeURIComponent(id)) : new WorkList();
  try {
    await current.open($("#app"));
  } catch (problem) {
    console.error(problem);
    banner(problem.message, "problem", { label: "Work list", run: () => (location.hash === "#/" ? show() : (location.hash = "#/")) });
    if ($("#app .loading")) $("#app").replaceChildren();
  }
}

window.addEventListener("pagehide", () => current?.leave?.());

const showNext = () => (turn = turn.then(show, show));
window.addEventListener("hashchange", showNext);
showNext();
