// From what pages show to scans: what a page says is checked here, since a page may say anything.

import { templateHash } from "./canonical.js";
import { get, put } from "./store.js";

// What was read on several pages of one platform within this time is one scan.
const SESSION = 30 * 60 * 1000;
// The same again is worth saying after this time: it tells until when the values are known to hold.
const AGAIN = 6 * 60 * 60 * 1000;

// { scan, structure } of what a reading completes, or null when it says nothing new. `structure` is null where it is that of
// the template. `read` is [{ key, value, confidence, userAction,
// options }] of one page; `options` are all that the page offers, where it shows them.
export async function take({ slug, linkId, settings }, read, path, now = new Date()) {
  return navigator.locks.request("readings", async () => {
    const known = (await get("readings", slug)) ?? { values: {}, paths: [], last: null };
    const types = new Map(settings.map((setting) => [setting.key, setting]));
    for (const { key, value, confidence, userAction, options } of read) {
      const setting = types.get(key);
      if (!setting || typeof value !== "string") continue;
      const before = known.values[key];
      known.values[key] = {
        value: value.slice(0, 100),
        confidence: typeof confidence === "number" ? Math.min(1, Math.max(0, confidence)) : 1,
        userAction: userAction === true || Boolean(before?.userAction),
        options: Array.isArray(options) ? options.map((option) => String(option).slice(0, 100)).slice(0, 50) : null,
        at: now.getTime(),
      };
    }
    for (const [key, { at }] of Object.entries(known.values)) {
      if (at < now.getTime() - SESSION || !types.has(key)) delete known.values[key];
    }
    known.paths = [...new Set([path, ...known.paths])].slice(0, 20);
    const seen = settings.map((setting) => ({ ...setting, options: known.values[setting.key]?.options ?? setting.options }));
    const changed = seen.some(({ key }) => known.values[key]?.options);
    const scan = await assemble(linkId, seen, known.values, now);
    const said = JSON.stringify([scan.templateHash, scan.values]);
    const acted = scan.values.some((one) => one.userAction);
    const repeated = known.last?.said === said && !acted && known.last.at > now.getTime() - AGAIN;
    if (!repeated && scan.values.length) {
      known.last = { said, at: now.getTime() };
      for (const one of Object.values(known.values)) one.userAction = false;
    }
    await put("readings", known, slug);
    return repeated || !scan.values.length ? null : { scan, structure: changed ? seen : null };
  });
}

// Whether settings were read on this page before: only then is it a failure to find none.
export async function knows(slug, path) {
  return ((await get("readings", slug))?.paths ?? []).includes(path);
}

// The input of recordSnapshot but for its idempotency key, which the queue makes. A setting that was not read is left out.
async function assemble(linkId, seen, values, now) {
  return {
    linkId,
    capturedAt: now.toISOString(),
    scanMethod: "EXTENSION",
    templateHash: await templateHash(seen),
    values: seen
      .filter(({ key }) => values[key])
      .map(({ key }) => {
        const { value, confidence, userAction } = values[key];
        return { key, value, confidence, userAction };
      }),
  };
}
