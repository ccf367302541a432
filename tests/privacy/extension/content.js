// Runs on a platform's settings pages. It only reads: no control is ever clicked, no value is ever set, nothing else of the
// page is looked at. A content script cannot import modules, so this file stands alone.

(async () => {
  const SETTLE = 300; // milliseconds in which a page shows what a click has done
  const PATIENCE = 10_000; // milliseconds in which a page builds itself
  const CONTROLS = '[role="switch"],[role="checkbox"],[role="radio"],[role="combobox"],input,select';
  const GROUPS = 'fieldset,[role="radiogroup"],[role="menu"],[role="listbox"]';

  const plan = await chrome.runtime.sendMessage({ type: "plan" });
  if (!plan) return;

  const before = new Map(); // key -> value as it was read last
  const acted = new Set(); // keys of controls that the person has touched since
  let timer = null;

  const words = (text) => (text ?? "").replace(/\s+/g, " ").trim();

  // The option that a text on the page stands for, and how sure that is.
  function match(text, options) {
    const shown = words(text);
    const exact = options.find((option) => words(option) === shown);
    if (exact !== undefined) return { value: exact, confidence: 1 };
    const alike = options.filter((option) => words(option).toLowerCase() === shown.toLowerCase());
    if (alike.length === 1) return { value: alike[0], confidence: 0.9 };
    // A link that leads to the setting ends with its value: "Connections visibility Off".
    const ending = options.filter((option) => shown.toLowerCase().endsWith(` ${words(option).toLowerCase()}`));
    return ending.length === 1 ? { value: ending[0], confidence: 0.7 } : null;
  }

  function labelOf(element) {
    const by = element.getAttribute("aria-labelledby")?.split(/\s+/).map((id) => document.getElementById(id)?.textContent).join(" ");
    return element.getAttribute("aria-label") ?? by ?? element.labels?.[0]?.textContent ?? element.textContent;
  }

  // All options that the page offers, where it shows all of them and they are not those of the template.
  function offered(shown, options) {
    const texts = shown.map(words).filter(Boolean);
    const folded = (list) => list.map((text) => words(text).toLowerCase()).sort().join("\n");
    return texts.length > 1 && folded(texts) !== folded(options) ? texts : null;
  }

  function readToggle(element, options) {
    const control = element.matches(CONTROLS) ? element : (element.querySelector(CONTROLS) ?? element);
    const state = control.getAttribute("aria-checked") ?? control.getAttribute("aria-pressed");
    if (state === "true" || state === "false") return { value: state === "true" ? "on" : "off", confidence: 1 };
    if (control instanceof HTMLInputElement && control.type === "checkbox") {
      return control.indeterminate ? null : { value: control.checked ? "on" : "off", confidence: 1 };
    }
    return match(element.textContent, options);
  }

  function readChoice(element, options) {
    const select = element.matches("select") ? element : element.querySelector("select");
    if (select) {
      const chosen = match(select.selectedOptions[0]?.textContent, options);
      const choices = offered(Array.from(select.options, (option) => option.textContent), options);
      return chosen ? { ...chosen, options: choices } : choices && { value: words(select.selectedOptions[0]?.textContent), confidence: 1, options: choices };
    }
    const group = element.closest(GROUPS);
    const radios = group ? Array.from(group.querySelectorAll('input[type="radio"],[role="radio"]')) : [];
    const choices = offered(radios.map(labelOf), options);
    const chosen = element.matches(GROUPS)
      ? element.querySelector('input[type="radio"]:checked,[aria-checked="true"],[aria-selected="true"]')
      : element;
    const found = chosen && (match(labelOf(chosen), options) ?? match(chosen.textContent, options));
    return found ? { ...found, options: choices } : null;
  }

  function read() {
    const found = [];
    for (const { key, type, options } of plan.settings) {
      const selector = plan.selectors[key];
      const element = selector && document.querySelector(selector);
      const seen = element && (type === "TOGGLE" ? readToggle(element, options) : readChoice(element, options));
      if (!seen) continue;
      const userAction = acted.has(key) && before.has(key) && before.get(key) !== seen.value;
      found.push({ key, ...seen, userAction });
      before.set(key, seen.value);
    }
    acted.clear();
    return found;
  }

  // Which settings a click or a key press may have changed: those whose control, or group of controls, it happened in.
  function touched(target) {
    return plan.settings.filter(({ key }) => {
      const element = plan.selectors[key] && document.querySelector(plan.selectors[key]);
      const area = element?.closest(GROUPS) ?? element;
      const labelled = target.closest?.("label")?.control;
      return area && (area.contains(target) || (labelled && area.contains(labelled)));
    });
  }

  async function report() {
    timer = null;
    const values = read();
    if (values.length) await chrome.runtime.sendMessage({ type: "read", values });
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(report, SETTLE);
  }

  // Only what a person does is trusted: scripts of the page make events, too, and those only say that something is new.
  function onEvent(event) {
    if (event.isTrusted && event.target instanceof Element) for (const { key } of touched(event.target)) acted.add(key);
    soon();
  }

  for (const name of ["click", "change", "keyup"]) document.addEventListener(name, onEvent, { capture: true, passive: true });
  addEventListener("online", () => chrome.runtime.sendMessage({ type: "online" }));
  new MutationObserver(soon).observe(document.documentElement, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["aria-checked", "aria-pressed", "aria-selected", "checked"],
  });
  soon();

  setTimeout(() => {
    if (before.size) return;
    const signedOut = Boolean(document.querySelector('input[type="password"]'));
    chrome.runtime.sendMessage({ type: "unreadable", failure: signedOut ? "SIGNED_OUT" : "LAYOUT_CHANGED" });
  }, PATIENCE);
})();
