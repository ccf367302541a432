// Starts GraphiQL with what the server wrote into the page's settings block.
"use strict";

const settings = JSON.parse(document.getElementById("settings").textContent);

// A library in the bundle adds a <style> element while a dialog or menu is open; it signs it with this nonce.
globalThis.__webpack_nonce__ = settings.nonce;

async function ask(operation, options) {
  // GraphiQL asks for the schema before its header editor exists; the page's own headers stand in then.
  const chosen = options?.headers ?? (operation.operationName === "IntrospectionQuery" ? JSON.parse(settings.headers) : {});
  const filled = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== ""));
  if (isSubscription(operation, options)) {
    return listen(operation, filled);
  }
  const answer = await fetch(settings.endpoint, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json", ...filled },
    body: JSON.stringify(operation),
  });
  return answer.json();
}

function isSubscription(operation, options) {
  const found = (options?.documentAST?.definitions ?? []).filter((each) => each.kind === "OperationDefinition");
  const chosen = found.find((each) => each.name?.value === operation.operationName) ?? found[0];
  return chosen?.operation === "subscription";
}

// What GraphiQL takes for a stream: it unsubscribes when its stop button is pressed.
function listen(operation, headers) {
  const url = new URL(settings.endpoint, location.href.replace(/^http/, "ws"));
  const subscribe = (observer) => {
    const socket = new WebSocket(url, "graphql-transport-ws");
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: "connection_init", payload: headers });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        send({ id: "1", type: "subscribe", payload: operation });
      } else if (message.type === "next") {
        observer.next(message.payload);
      } else if (message.type === "error") {
        observer.next({ errors: message.payload });
        socket.close(1000);
      }
    };
    socket.onclose = ({ code, reason }) =>
      code === 1000 ? observer.complete() : observer.error(new Error(`The connection ended: ${code} ${reason}`));
    return { unsubscribe: () => socket.close(1000) };
  };
  return { subscribe };
}

// GraphiQL writes the headers of every query it ran into its history, whatever shouldPersistHeaders says. Here they
// are left out when it writes and are the page's own when it reads: the token stays out of the browser's storage, and
// an old entry runs with a token that is still good. The namespace keeps out the tabs of other projects' GraphiQL on
// the same host and port.
function historyStorage() {
  const storage = GraphiQL.createLocalStorage({ namespace: "fivefold" });
  const { getItem, setItem } = storage;
  const isHistory = (key) => key.endsWith(":queries") || key.endsWith(":favorites");
  const withHeaders = (text, headers) =>
    JSON.stringify(JSON.parse(text), (name, value) => (name === "headers" ? headers : value));
  storage.setItem = (key, text) => setItem(key, isHistory(key) ? withHeaders(text, "") : text);
  storage.getItem = (key) => {
    const text = getItem(key);
    return text && isHistory(key) ? withHeaders(text, settings.headers) : text;
  };
  return storage;
}

ReactDOM.createRoot(document.getElementById("console")).render(
  React.createElement(GraphiQL, {
    fetcher: ask,
    defaultQuery: settings.example,
    defaultHeaders: settings.headers,
    defaultEditorToolsVisibility: "headers",
    shouldPersistHeaders: false,
    storage: historyStorage(),
  }),
);
