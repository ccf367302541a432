// The dashboard of one person, and each change as soon as a scan shows it.

import { ask, follow, type Place } from "./api";
import { ChangesDocument, DashboardDocument, type ChangeRowFragment, type DashboardQuery } from "./generated";

type Link = NonNullable<DashboardQuery["privacyDashboard"]>["links"]["edges"][number]["node"];

function find(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

// Texts become text, never markup: labels and values come from outside.
function row(...texts: string[]): HTMLLIElement {
  const made = document.createElement("li");
  made.textContent = texts.filter(Boolean).join(" · ");
  return made;
}

function linkRow({ platform, label, latestSnapshot }: Link): HTMLLIElement {
  if (!latestSnapshot) return row(platform.name, label, "not scanned yet");
  const risky = latestSnapshot.settings.filter(({ observed, value, recommended }) => observed && value !== recommended);
  return row(platform.name, label, `risk ${latestSnapshot.riskScore ?? "unknown"}`, `${risky.length} settings to look at`);
}

function changeRow({ id, label, oldValue, newValue, origin, confidence }: ChangeRowFragment): HTMLLIElement {
  const by = origin === "USER" ? "by you" : origin === "UNKNOWN" ? "" : "not by you";
  const made = row(label, `${oldValue ?? "new"} → ${newValue ?? "gone"}`, by, confidence < 1 ? "probably" : "");
  made.dataset["id"] = id;
  return made;
}

async function show(place: Place): Promise<void> {
  const { privacyDashboard } = await ask(place, DashboardDocument, {});
  if (!privacyDashboard) return;
  const { overallScore, coverage, links, recentChanges } = privacyDashboard;
  find("score").textContent = overallScore === null ? "No scan yet" : `Risk ${overallScore} of 100`;
  find("coverage").textContent = `${Math.round(coverage * 100)} % of all settings seen`;
  find("links").replaceChildren(...links.edges.map(({ node }) => linkRow(node)));
  find("changes").replaceChildren(...recentChanges.edges.map(({ node }) => changeRow(node)));
}

async function watch(place: Place, tell: (error: unknown) => void, signal: AbortSignal): Promise<void> {
  let after: string | null = null;
  const began = () => void show(place).catch(tell);
  for await (const { changeDetected } of follow(place, ChangesDocument, () => ({ after }), began, signal)) {
    after = changeDetected.cursor;
    await show(place);
  }
}

let current = new AbortController();

find("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.currentTarget as HTMLFormElement);
  const place = { url: String(form.get("url")), token: String(form.get("token")) };
  const tell = (error: unknown) => {
    find("status").textContent = error instanceof Error ? error.message : "The server does not take this subscription.";
  };
  current.abort();
  current = new AbortController();
  find("status").textContent = "";
  watch(place, tell, current.signal).catch(tell);
  show(place).catch(tell);
});
