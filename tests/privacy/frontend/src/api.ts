// Requests over HTTP and subscriptions over WebSocket, both typed by their document.

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { createClient } from "graphql-ws";
import type { ErrorCode } from "./generated";

export interface Place {
  url: string;
  token: string;
}

interface Problem {
  message: string;
  extensions?: { code: ErrorCode; field?: string };
}

export class ApiError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map((problem) => problem.message).join(" "));
  }
}

export async function ask<Result, Variables extends Record<string, unknown>>(
  place: Place,
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(place.url, {
    method: "POST",
    headers: { Authorization: `Bearer ${place.token}`, "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const body = (await response.json()) as { data?: Result | null; errors?: Problem[] };
  if (body.errors?.length || !body.data) throw new ApiError(body.errors ?? [{ message: `HTTP ${response.status}` }]);
  return body.data;
}

// Events one after the other, over as many connections as it takes. `next` says with which variables to go on: behind the
// last event that was seen, so that none is missed and none comes twice. `began` is called when a connection's subscription
// has begun: what is read from then on and the events after it leave no gap.
export async function* follow<Result, Variables extends Record<string, unknown>>(
  place: Place,
  document: TypedDocumentNode<Result, Variables>,
  next: () => Variables,
  began: () => void,
  signal: AbortSignal,
): AsyncGenerator<Result> {
  const url = place.url.replace(/^http/, "ws");
  for (let tries = 0; !signal.aborted; tries++) {
    const client = createClient({
      url,
      connectionParams: { Authorization: `Bearer ${place.token}` },
      retryAttempts: 0,
      on: {
        // The server reads messages in turn: its answer to a ping that was sent behind the subscription says that it runs.
        connected: (socket) => setTimeout(() => (socket as WebSocket).send('{"type":"ping"}')),
        pong: (received) => received && began(),
      },
    });
    signal.addEventListener("abort", () => void client.dispose(), { once: true });
    try {
      for await (const { data, errors } of client.iterate<Result>({ query: print(document), variables: next() })) {
        if (errors?.length) throw new ApiError(errors as unknown as Problem[]);
        tries = 0;
        if (data) yield data;
      }
    } catch (error) {
      if (refused(error)) throw error;
    } finally {
      await client.dispose();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 250 * 2 ** tries) * (0.5 + Math.random() / 2)));
  }
}

// Errors of the document or of the token come again however often one tries; a connection that ended does not.
function refused(error: unknown): boolean {
  const code = error instanceof CloseEvent ? error.code : null;
  return error instanceof ApiError || Array.isArray(error) || code === 4400 || code === 4401 || code === 4403;
}
