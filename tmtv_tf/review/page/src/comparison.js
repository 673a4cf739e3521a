// Two readers side by side, once both are done.
import { casePath, getJson } from "./api.js";
import { element, methodName, number } from "./dom.js";

export class Comparison {
  constructor(id, other) {
    Object.assign(this, { id, other });
  }

  async open(place) {
    const answer = await getJson(casePath(this.id, `/adjudication?other=${encodeURIComponent(this.other)}`));
    place.replaceChildren(element("pre", {}, JSON.stringify(answer, null, 1)));
    void methodName, number;
  }

  close() {}
}
