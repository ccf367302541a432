// What outlives the service worker. IndexedDB holds the key pair (as objects that cannot be exported) and the queue;
// chrome.storage holds what a person has set, for this extension's own pages and worker only.

const STORES = { keys: {}, platforms: {}, readings: {}, queue: { autoIncrement: true }, dropped: { autoIncrement: true } };
const MOST_DROPPED = 50;

let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("fivefold", 1);
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) request.result.createObjectStore(name, options);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function run(name, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(name, mode);
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const get = (name, key) => run(name, "readonly", (store) => store.get(key));
export const put = (name, value, key) => run(name, "readwrite", (store) => store.put(value, key));
export const remove = (name, key) => run(name, "readwrite", (store) => store.delete(key));

// All entries as [key, value], the oldest first.
export async function entries(name) {
  const found = [];
  await run(name, "readonly", (store) => {
    store.openCursor().onsuccess = ({ target }) => {
      if (!target.result) return;
      found.push([target.result.key, target.result.value]);
      target.result.continue();
    };
  });
  return found;
}

// Keep what was given up, for the popup; of many only the last ones.
export async function drop(entry) {
  await put("dropped", entry);
  for (const [key] of (await entries("dropped")).slice(0, -MOST_DROPPED)) await remove("dropped", key);
}

const DEFAULTS = { endpoint: "", apiKey: "", watched: {}, stopped: null, pause: null };

export async function settings() {
  return chrome.storage.local.get(DEFAULTS);
}

export async function set(changes) {
  await chrome.storage.local.set(changes);
}
