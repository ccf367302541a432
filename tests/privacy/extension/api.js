// One request to the API, and what its failure means for who asked.

import { settings } from "./store.js";

// Try again later, as it is: nothing was written.
export const TEMPORARY = new Set(["CAPTURED_IN_FUTURE", "INTERNAL", "RATE_LIMITED", "TIMED_OUT", "UNAVAILABLE"]);
// Nothing that this extension sends will be taken until a person has done something.
export const STOPPING = new Set(["DEVICE_REVOKED", "FORBIDDEN", "UNAUTHENTICATED"]);

export class Failure extends Error {
  constructor(code, message, { field = null, seconds = null } = {}) {
    super(message);
    Object.assign(this, { code, field, seconds });
  }

  get temporary() {
    return TEMPORARY.has(this.code);
  }

  get stopping() {
    return STOPPING.has(this.code);
  }
}

export function failureOf(error) {
  return new Failure(error.extensions?.code ?? "INTERNAL", error.message, { field: error.extensions?.field ?? null });
}

// { data, errors }. Throws Failure when there is no data: errors of single fields are the caller's to read.
export async function ask(query, variables) {
  const { endpoint, apiKey } = await settings();
  let response;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", Authorization: `Bearer ${apiKey}` },
      body: JSON.stringify({ query, variables }),
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(30_000),
    });
  } catch (error) {
    throw new Failure("UNAVAILABLE", `The server cannot be reached: ${error.message}`);
  }
  const seconds = Number(response.headers.get("Retry-After")) || null;
  let body;
  try {
    body = await response.json();
  } catch {
    throw new Failure(response.status === 429 ? "RATE_LIMITED" : "UNAVAILABLE", `HTTP ${response.status}`, { seconds });
  }
  if (!body.data) {
    const failure = body.errors?.length ? failureOf(body.errors[0]) : new Failure("UNAVAILABLE", `HTTP ${response.status}`);
    failure.seconds = seconds;
    throw failure;
  }
  return body;
}

// The data of a request whose every field must succeed.
export async function must(query, variables) {
  const { data, errors } = await ask(query, variables);
  if (errors?.length) throw failureOf(errors[0]);
  return data;
}
