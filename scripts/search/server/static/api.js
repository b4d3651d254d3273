/** Questions to the server. */

export class ServerError extends Error {
  /**
   * @param {number} status of HTTP; 0 when the server did not answer at all
   * @param {string} message the server's own words, empty when it did not answer
   * @param {string} code the server's name of what is wrong, such as "loading"
   */
  constructor(status, message, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Ask, and read the answer as JSON.
 * @throws {ServerError} with the server's own words; an AbortError when `signal` was used
 */
export async function ask(path, options = {}) {
  const answer = await response(path, options);
  const told = answer.status === 204 ? {} : await answer.json().catch(() => null);
  if (told === null) throw new ServerError(answer.status, `HTTP ${answer.status}`);
  return told;
}

/** Ask, and have the answer as a file; throws as `ask`. */
export async function askFile(path, options = {}) {
  return (await response(path, options)).blob();
}

async function response(path, { method = "GET", body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, body, signal, headers: typeof body === "string" ? { "Content-Type": "application/json" } : {} });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "");
  }
  if (answer.status === 401) {
    location.assign("/login");
    return new Promise(() => {}); // the page is on its way out: nothing goes on
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null);
  throw new ServerError(answer.status, told?.message ?? `HTTP ${answer.status}`, told?.error);
}

/** `path?name=value&...` without the values that are empty. */
export function address(path, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const assetAddress = (asset, what = "", values = {}) => address(`/api/assets/${asset.id}${what && `/${what}`}`, values);
