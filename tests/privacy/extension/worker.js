// The service worker: it may be ended and started at any moment, so all it knows is in store.js.

import { forget } from "./device.js";
import { listPlatforms, planFor, registerPages, unwatch, watch } from "./platform.js";
import { enqueue, enqueueFailure, flush } from "./queue.js";
import { knows, take } from "./reading.js";
import { entries, set, settings } from "./store.js";

// The API key is not for content scripts.
chrome.storage.local.setAccessLevel({ accessLevel: "TRUSTED_CONTEXTS" });

// From pages. Which platform they are of is decided by where the message comes from, not by what it says.
const FROM_PAGES = {
  plan: async (_, address) => {
    const plan = await planFor(address);
    return plan && { selectors: plan.selectors, settings: plan.settings };
  },
  read: async ({ values }, address) => {
    const plan = await planFor(address);
    const taken = plan && (await take(plan, values, new URL(address).pathname));
    if (taken) await enqueue(plan.slug, taken.scan, taken.structure);
  },
  unreadable: async ({ failure }, address) => {
    const plan = await planFor(address);
    if (!plan || !["LAYOUT_CHANGED", "SIGNED_OUT"].includes(failure)) return;
    // Patterns cover pages without any setting, too: only where some were found before it is a failure to find none.
    if (!(await knows(plan.slug, new URL(address).pathname))) return;
    const occurredAt = new Date().toISOString();
    await enqueueFailure(plan.slug, { linkId: plan.linkId, occurredAt, failure, scanMethod: "EXTENSION" });
  },
  online: async () => flush({ now: true }),
};

// From the options page and the popup.
const FROM_OURSELVES = {
  connect: async ({ endpoint, apiKey }) => {
    const { stopped } = await settings();
    if (stopped?.code === "DEVICE_REVOKED") await forget();
    await set({ endpoint, apiKey, stopped: null, pause: null });
    const platforms = await listPlatforms();
    await flush();
    return platforms;
  },
  watch: async ({ slug, label }) => watch(slug, label),
  unwatch: async ({ slug }) => unwatch(slug),
  state: async () => {
    const { endpoint, watched, stopped, pause } = await settings();
    const [queue, dropped] = await Promise.all([entries("queue"), entries("dropped")]);
    return { endpoint, watched, stopped, pause, waiting: queue.length, dropped: dropped.map(([, entry]) => entry) };
  },
};

chrome.runtime.onMessage.addListener((message, sender, answer) => {
  const ours = sender.url?.startsWith(chrome.runtime.getURL(""));
  const handler = sender.id === chrome.runtime.id && (ours ? FROM_OURSELVES : FROM_PAGES)[message?.type];
  if (!handler) return false;
  handler(message, sender.url).then(
    (value) => answer(ours ? { value } : value ?? null),
    (error) => answer(ours ? { error: error.message } : null),
  );
  return true; // the answer comes later
});

chrome.alarms.onAlarm.addListener(() => flush());
chrome.runtime.onStartup.addListener(() => flush());
self.addEventListener("online", () => flush({ now: true }));

// An update of the extension forgets its content scripts.
chrome.runtime.onInstalled.addListener(async () => {
  const { watched } = await settings();
  for (const slug of Object.keys(watched)) await registerPages(slug);
  await flush();
});
