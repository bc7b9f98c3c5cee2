import { parameterNames, readEvents } from "/page/sse.js";

const KEY = "jaxchat.key";

/** What the server said was wrong, and with which field. */
export class ServerError extends Error {
  constructor(status, body) {
    const error = body?.error ?? {};
    const message = error.message ?? body?.message ?? `the server answered with status ${status}`;
    super(error.param && !message.includes(error.param) ? `${error.param}: ${message}` : message);
    this.status = status;
  }
}

/** The API key of this tab, "" for none. */
export const apiKey = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (key) => sessionStorage.setItem(KEY, key),
};

/** The models of the server, base model first. */
export const listModels = async () => (await getJson("/v1/models")).data;

/** The document that the server serves. */
export const getDocument = () => getJson("/openapi.json");

/**
 * A streamed answer to a chat: {chunk} for each chunk, and {ignored}, the parameters that had no effect.
 * Throws ServerError, also where the stream ends with an error, and Error where it ends without an end.
 */
export async function* streamChat(body, signal) {
  const response = await ask("/v1/chat/completions", { method: "POST", body: JSON.stringify(body), signal });
  yield { ignored: parameterNames(response.headers.get("x-ignored-parameters")) };
  for await (const event of readEvents(response.body)) {
    if (event.ignored) yield event;
    else if (event.data === "[DONE]") return;
    else {
      const chunk = JSON.parse(event.data);
      if (chunk.error) throw new ServerError(response.status, chunk);
      yield { chunk };
    }
  }
  throw new Error("the connection was lost before the answer was complete");
}

const getJson = async (path) => (await ask(path, {})).json();

async function ask(path, options) {
  const headers = { "Content-Type": "application/json" };
  if (apiKey.get()) headers.Authorization = `Bearer ${apiKey.get()}`;
  const response = await fetch(path, { ...options, headers });
  if (!response.ok) throw new ServerError(response.status, await response.json().catch(() => null));
  return response;
}
