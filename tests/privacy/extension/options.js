// Settings: where to send, with which key, and which platforms are read.

const $ = (id) => document.getElementById(id);

async function tell(message) {
  const answer = await chrome.runtime.sendMessage(message);
  if (answer?.error) throw new Error(answer.error);
  return answer?.value;
}

function say(text) {
  $("status").textContent = text;
}

function showPlatforms(platforms, watched) {
  const rows = platforms.map(({ slug, name, activeConfig }) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", id: `watch-${slug}`, checked: slug in watched });
    box.addEventListener("click", async () => {
      try {
        // The browser asks only in answer to a click, so nothing may be awaited before.
        const granted = box.checked && (await chrome.permissions.request({ origins: activeConfig.urlPatterns }));
        if (granted) await tell({ type: "watch", slug, label: "Personal" });
        else await tell({ type: "unwatch", slug });
        box.checked = granted;
        say(granted ? `${name} is watched.` : `${name} is not watched.`);
      } catch (error) {
        box.checked = false;
        say(error.message);
      }
    });
    const label = document.createElement("label");
    label.append(box, ` ${name}`);
    const row = document.createElement("li");
    row.append(label);
    return row;
  });
  $("platforms").replaceChildren(...rows);
}

$("connection").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("Connecting …");
  try {
    const platforms = await tell({ type: "connect", endpoint: $("endpoint").value, apiKey: $("key").value });
    const { watched } = await tell({ type: "state" });
    showPlatforms(platforms, watched);
    say("Connected.");
  } catch (error) {
    say(error.message);
  }
});

const { endpoint } = await tell({ type: "state" });
$("endpoint").value = endpoint;
