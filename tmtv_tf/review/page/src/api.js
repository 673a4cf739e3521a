// Requests to the server. An answer that is no success becomes an `ApiError` with the server's own sentence.

export class ApiError extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status; // 0: no answer
    this.body = body;
  }
}

export const GONE =
  "The server does not answer. What was answered before is saved. Start tmtv review again and open the address that it prints.";

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(GONE, 0, null);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new ApiError(body?.error ?? `the server answered ${response.status} ${response.statusText}`, response.status, body);
}

export const getJson = async (path) => (await request(path)).json();
export const getBytes = async (path) => {
  const response = await request(path);
  try {
    return await response.arrayBuffer();
  } catch (problem) {
    throw new ApiError(problem instanceof RangeError ? "The browser has too little memory for this case." : GONE, 0, null);
  }
};
export const getImage = async (path) => createImageBitmap(await (await request(path, { cache: "default" })).blob());
export const post = async (path, body) =>
  (await request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) })).json();

export const casePath = (id, rest = "") => `/api/cases/${encodeURIComponent(id)}${rest}`;
