// What to read where: platforms as the API describes them, and which of them a person has chosen.

import { must } from "./api.js";
import { templateHash } from "./canonical.js";
import { LINK, LINKS, PLATFORM, PLATFORMS } from "./operations.js";
import { get, put, remove, set, settings } from "./store.js";

const FRESH = 60 * 60 * 1000;

// Whether an address fits a match pattern such as https://*.example.com/settings/*.
export function fits(pattern, address) {
  const [, host, path] = /^https:\/\/([^/]+)(\/.*)$/.exec(pattern) ?? [];
  if (!host) return false;
  const url = new URL(address);
  const hosts = host.startsWith("*.") ? [url.hostname.endsWith(host.slice(1)), url.hostname === host.slice(2)] : [url.hostname === host];
  const text = path.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return url.protocol === "https:" && hosts.includes(true) && new RegExp(`^${text}$`).test(url.pathname + url.search);
}

// All nodes of a connection.
async function all(query, name) {
  const nodes = [];
  let after = null;
  do {
    const { edges, pageInfo } = (await must(query, { after }))[name];
    nodes.push(...edges.map((edge) => edge.node));
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after);
  return nodes;
}

export async function listPlatforms() {
  return (await all(PLATFORMS, "platforms")).filter((platform) => platform.activeConfig);
}

// A platform with its config and template. While the API cannot be reached the last known one serves.
export async function platform(slug) {
  const known = await get("platforms", slug);
  if (known && known.at > Date.now() - FRESH) return known;
  let found;
  try {
    found = (await must(PLATFORM, { slug })).platform;
  } catch (error) {
    if (known && error.temporary) return known;
    throw error;
  }
  if (!found?.activeConfig || !found.activeTemplate) return null;
  // Our own hash of the same settings: if it is another, this extension is wrong, and nothing that it sends would be taken.
  const { hash, settings: list } = found.activeTemplate;
  if ((await templateHash(list)) !== hash) throw new Error(`the hash of ${slug}'s template is computed differently here`);
  const fresh = { ...found, at: Date.now() };
  await put("platforms", fresh, slug);
  return fresh;
}

// Watch a platform under a label: find its link or make it, and have its pages read. The person has granted the hosts.
export async function watch(slug, label) {
  const links = await all(LINKS, "platformLinks");
  let link = links.find((one) => one.platform.slug === slug && one.label === label);
  if (!link) {
    // Stored until it is answered: a wish whose answer was lost is asked for again, not made twice.
    const wish = JSON.stringify(["link", slug, label]);
    const idempotencyKey = (await get("keys", wish)) ?? crypto.randomUUID();
    await put("keys", idempotencyKey, wish);
    link = (await must(LINK, { input: { platformSlug: slug, label, idempotencyKey } })).linkPlatform.link;
    await remove("keys", wish);
  }
  const { watched } = await settings();
  await set({ watched: { ...watched, [slug]: { linkId: link.id, label } } });
  await registerPages(slug);
}

export async function unwatch(slug) {
  const { watched } = await settings();
  delete watched[slug];
  await set({ watched });
  await chrome.scripting.unregisterContentScripts({ ids: [slug] }).catch(() => {});
}

// The content script runs on the platform's own settings pages and nowhere else.
export async function registerPages(slug) {
  const found = await platform(slug);
  const script = { id: slug, js: ["content.js"], matches: found.activeConfig.urlPatterns, runAt: "document_idle" };
  const [known] = await chrome.scripting.getRegisteredContentScripts({ ids: [slug] });
  await (known ? chrome.scripting.updateContentScripts([script]) : chrome.scripting.registerContentScripts([script]));
}

// { slug, linkId, selectors, settings, hash } for a page, or null where nothing is to be read.
export async function planFor(address) {
  const { watched } = await settings();
  for (const [slug, { linkId }] of Object.entries(watched)) {
    const found = await platform(slug);
    if (found?.activeConfig.urlPatterns.some((pattern) => fits(pattern, address))) {
      return { slug, linkId, selectors: found.activeConfig.selectors, settings: found.activeTemplate.settings };
    }
  }
  return null;
}
