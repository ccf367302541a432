// What is hashed and what is signed, as bytes that every program makes alike. Runs in browsers and in Node.

// RFC 8785. JSON.stringify writes numbers and texts as it demands; what is missing is the order of names, by UTF-16 code units.
export function canonicalize(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalize).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const names = Object.keys(value).filter((name) => value[name] !== undefined).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalize(value[name])}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("JSON has no such number");
  return JSON.stringify(value);
}

// An input without what is null or false, and without the signature.
export function strip(value) {
  if (Array.isArray(value)) return value.map(strip);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value)
    .filter(([name, inner]) => name !== "signature" && inner !== null && inner !== undefined && inner !== false)
    .map(([name, inner]) => [name, strip(inner)]);
  return Object.fromEntries(kept);
}

// What a device signs: a line that says what it is, and the input.
export function signedText(input, form = "recordSnapshot 1") {
  return `fivefold ${form}\n${canonicalize(strip(input))}`;
}

// Template.hash of settings as `platform { activeTemplate { settings } }` has them.
export async function templateHash(settings) {
  const structure = settings
    .map(({ key, type, options }) => ({ key, type, options }))
    .sort((one, other) => (one.key < other.key ? -1 : 1));
  const digest = await crypto.subtle.digest("SHA-256", utf8(canonicalize(structure)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function utf8(text) {
  return new TextEncoder().encode(text);
}

// base64url without padding.
export function encode(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
