// The key of this browser. It is made once, registered once, and its private half cannot be read, not even by this code.

import { must } from "./api.js";
import { encode, signedText, utf8 } from "./canonical.js";
import { REGISTER } from "./operations.js";
import { get, put, remove } from "./store.js";

// The device with its id: made and registered where that has not happened yet. What is needed to register it again with
// the same idempotency key is stored first, so that an answer that is lost does not make a second device.
export async function device() {
  return navigator.locks.request("device", async () => {
    let found = await get("keys", "device");
    if (found?.id) return found;
    found ??= await make();
    try {
      found.id = await register(found);
    } catch (error) {
      if (error.code !== "BAD_INPUT" || error.field !== "publicKey") throw error;
      // The key is registered, and the answer that named its device was lost more than a week ago.
      found = await make();
      found.id = await register(found);
    }
    await put("keys", found, "device");
    return found;
  });
}

async function make() {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const publicKey = encode(await crypto.subtle.exportKey("raw", pair.publicKey));
  const name = `Browser extension, ${navigator.userAgentData?.platform || "unknown system"}`;
  const made = { pair, id: null, input: { name, publicKey, idempotencyKey: crypto.randomUUID() } };
  await put("keys", made, "device");
  return made;
}

async function register({ input }) {
  return (await must(REGISTER, { input })).registerDevice.device.id;
}

// A revoked key never comes back: the next scan is signed by a new one.
export async function forget() {
  await remove("keys", "device");
}

// The input of recordSnapshot with deviceId and signature.
export async function sign({ id, pair }, input) {
  const named = { ...input, deviceId: id };
  const signature = await crypto.subtle.sign({ name: "Ed25519" }, pair.privateKey, utf8(signedText(named)));
  return { ...named, signature: encode(signature) };
}
