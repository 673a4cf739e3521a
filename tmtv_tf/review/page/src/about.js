// What the server says of itself once: the reader, whether it can export, whose readings are compared.
import { getJson } from "./api.js";

let known = null;

/** The list of cases, which also says what the server can do. */
export async function getCases() {
  const answer = await getJson("/api/cases");
  known = { reader: answer.reader, canExport: answer.can_export, whyNot: answer.why_no_export, adjudicates: answer.adjudicates ?? [] };
  return answer;
}

export async function about() {
  if (!known) await getCases();
  return known;
}
