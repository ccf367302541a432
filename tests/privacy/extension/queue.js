// Scans wait here until the API has taken them: whatever is switched off in between, each is recorded once.

import { Failure, ask, failureOf, must } from "./api.js";
import { device, sign } from "./device.js";
import { PROPOSE, RECORD, REPORT } from "./operations.js";
import { unwatch } from "./platform.js";
import { drop, entries, put, remove, set, settings } from "./store.js";

const BATCH = 50;
const MOST_TRIES = 100;
const FIRST_SECONDS = 1;
const LONGEST_SECONDS = 3600;

// Put a scan in the queue. Its idempotency key is made here and kept for every time that it is sent. `structure` is what the
// page offers, where that is another than the known template.
export async function enqueue(slug, scan, structure = null) {
  await add({ slug, input: scan, structure });
}

// Put in the queue that a page could not be read.
export async function enqueueFailure(slug, failure) {
  await add({ slug, input: failure, failed: true });
}

async function add(item) {
  const input = { ...item.input, idempotencyKey: crypto.randomUUID() };
  await put("queue", { ...item, input, tries: 0, notBefore: 0 });
  await flush();
}

// Seconds until the next try: doubled each time, and a random part of that, so that all browsers do not come back at once.
export function backOff(tries, least) {
  const most = Math.min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** Math.min(tries, 20));
  return Math.max(least ?? 0, most / 2 + Math.random() * (most / 2));
}

// Send what is due. `now` says that the network came back: what waited for it waits no longer.
export async function flush({ now = false } = {}) {
  await navigator.locks.request("flush", async () => {
    if (now) await set({ pause: null });
    while (await sendBatch());
  });
  await wakeUp();
}

// Whether there may be more to send at once.
async function sendBatch() {
  const { pause, stopped, apiKey } = await settings();
  if (stopped || !apiKey || (pause && pause.until > Date.now())) return false;
  const due = (await entries("queue")).filter(([, item]) => item.notBefore <= Date.now());
  for (const entry of due.filter(([, item]) => item.failed)) if (!(await sendFailure(entry))) return false;
  const scans = due.filter(([, item]) => !item.failed);
  scans.sort(([, one], [, other]) => (one.input.capturedAt < other.input.capturedAt ? -1 : 1));
  const batch = scans.slice(0, BATCH);
  if (!batch.length) return false;
  let key;
  try {
    key = await device();
  } catch (error) {
    await pauseAfter(error, []);
    return false;
  }
  try {
    const inputs = await Promise.all(batch.map(([, item]) => sign(key, item.input)));
    const { data, errors = [] } = await ask(RECORD, { inputs });
    const byPlace = new Map(errors.map((error) => [error.path?.[1], error]));
    const whole = byPlace.get(undefined);
    if (whole) throw failureOf(whole);
    await set({ pause: null });
    for (const [place, [number, item]] of batch.entries()) {
      if (data.recordSnapshots[place]) await remove("queue", number);
      else await settleFailure(number, item, failureOf(byPlace.get(place) ?? {}));
    }
    return true;
  } catch (error) {
    await pauseAfter(error, batch);
    return false;
  }
}

// Say that a page could not be read. Whether the next may be sent.
async function sendFailure([number, item]) {
  try {
    await must(REPORT, { input: item.input });
  } catch (error) {
    if (!(error instanceof Failure) || error.temporary || error.stopping) {
      await pauseAfter(error, []);
      return false;
    }
  }
  await remove("queue", number); // what is not taken would not be taken later either, and is of no use then
  return true;
}

// Whether the API knows now what the page offers. A proposal holds the structure only, no value.
async function propose({ slug, structure, input }) {
  const settings = structure.map(({ key, type, options }) => ({ key, type, options }));
  const proposal = { platformSlug: slug, settings, idempotencyKey: `propose ${input.templateHash}` };
  try {
    return (await must(PROPOSE, { input: proposal })).proposeTemplate.template.hash === input.templateHash;
  } catch (error) {
    if (error instanceof Failure && !error.temporary) return false;
    throw error;
  }
}

// One scan was not taken. What will never be taken is given up, and shown in the popup.
async function settleFailure(number, item, failure) {
  const tries = item.tries + 1;
  if (failure.code === "UNKNOWN_TEMPLATE" && item.structure && (await propose(item))) {
    await put("queue", { ...item, structure: null, tries, notBefore: 0 }, number);
  } else if (failure.stopping) {
    await set({ stopped: { code: failure.code, message: failure.message } });
  } else if (failure.temporary && tries < MOST_TRIES) {
    await put("queue", { ...item, tries, notBefore: Date.now() + backOff(tries) * 1000 }, number);
  } else {
    await remove("queue", number);
    const { capturedAt } = item.input;
    await drop({ slug: item.slug, capturedAt, code: failure.code, field: failure.field, message: failure.message });
    if (failure.code === "LINK_ENDED") await unwatch(item.slug);
    // The template may have changed; the next scan is taken against what the server says then.
    if (failure.code.startsWith("UNKNOWN_")) await remove("platforms", item.slug);
  }
}

// The request failed as a whole, or the device could not be registered: all wait, none was written.
async function pauseAfter(error, batch) {
  const failure = error instanceof Failure ? error : new Failure("INTERNAL", String(error));
  if (failure.temporary) {
    const { pause } = await settings();
    const tries = (pause?.tries ?? 0) + 1;
    await set({ pause: { tries, until: Date.now() + backOff(tries, failure.seconds) * 1000, message: failure.message } });
  } else if (failure.stopping || !batch.length) {
    await set({ stopped: { code: failure.code, message: failure.message } });
  } else {
    // Not one scan but the request itself is wrong: this extension is too old for the server, or has a mistake.
    for (const [number, item] of batch) await settleFailure(number, item, failure);
  }
}

// A timer for as long as the worker lives; the alarm wakes it when it was ended meanwhile.
async function wakeUp() {
  const { pause, stopped } = await settings();
  const waiting = await entries("queue");
  if (stopped || !waiting.length) {
    await chrome.alarms.clear("flush");
    return;
  }
  const when = Math.max(pause?.until ?? 0, Math.min(...waiting.map(([, item]) => item.notBefore)), Date.now() + 500);
  await chrome.alarms.create("flush", { when: Math.max(when, Date.now() + 30_000) });
  if (when < Date.now() + 25_000) setTimeout(flush, when - Date.now());
}
