// What waits, what was given up and why.

const { value } = await chrome.runtime.sendMessage({ type: "state" });
const { stopped, pause, waiting, dropped } = value;
const state = document.getElementById("state");

if (stopped) state.textContent = `Stopped: ${stopped.message} ${waiting} scans wait. Connect again in the options.`;
else if (waiting && pause) state.textContent = `${waiting} scans wait: ${pause.message}`;
else state.textContent = waiting ? `${waiting} scans wait.` : "Everything is recorded.";

for (const { slug, capturedAt, code, message } of dropped.reverse()) {
  const row = document.createElement("li");
  row.textContent = `${slug}, ${new Date(capturedAt).toLocaleString()}: ${message} (${code})`;
  document.getElementById("dropped").append(row);
}
