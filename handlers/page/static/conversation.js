const STORE = "jaxchat.conversation";

/**
 * The turns of one conversation, kept in this browser.
 *
 * A turn is {role: "user", text, attachments}, {role: "assistant", text, reasoning, calls, tokens, ...} or
 * {role: "tool", callId, name, text}.
 */
export class Conversation {
  constructor() {
    this.turns = load();
  }

  /** Adds a turn and gives it back. */
  add(turn) {
    this.turns.push(turn);
    this.save();
    return turn;
  }

  /** Removes a turn and all behind it. */
  cutFrom(turn) {
    this.turns.splice(this.turns.indexOf(turn));
    this.save();
  }

  clear() {
    this.turns = [];
    this.save();
  }

  save() {
    try {
      localStorage.setItem(STORE, JSON.stringify(this.turns));
    } catch {
      localStorage.removeItem(STORE); // attachments are more than the browser keeps; the page has them until it is left
    }
  }

  /** The turns as messages of the API, behind the system prompt. */
  messages(system) {
    const head = system.trim() ? [{ role: "system", content: system }] : [];
    return [...head, ...this.turns.filter((turn) => !turn.error || turn.text).map(message)];
  }

  /** Calls of the last answer that have no result yet. */
  openCalls() {
    const last = this.turns.findLast((turn) => turn.role !== "tool");
    const done = new Set(this.turns.filter((turn) => turn.role === "tool").map((turn) => turn.callId));
    return (last?.calls ?? []).filter((call) => !done.has(call.id));
  }
}

/** An answer before its first chunk. */
export const newAnswer = () => ({
  role: "assistant", text: "", reasoning: "", calls: [], tokens: [], ignored: [], finishReason: null, usage: null,
  firstSeconds: null, seconds: null, error: null,
});

/** Adds a chunk of the API's stream to an answer. */
export function addChunk(answer, chunk) {
  if (chunk.usage) answer.usage = chunk.usage;
  const choice = chunk.choices[0];
  if (!choice) return;
  const delta = choice.delta;
  answer.text += delta.content ?? "";
  answer.reasoning += delta.reasoning_content ?? "";
  for (const part of delta.tool_calls ?? []) {
    const call = (answer.calls[part.index] ??= { id: "", name: "", arguments: "" });
    call.id ||= part.id ?? "";
    call.name ||= part.function?.name ?? "";
    call.arguments += part.function?.arguments ?? "";
  }
  answer.tokens.push(...(choice.logprobs?.content ?? []));
  answer.finishReason = choice.finish_reason ?? answer.finishReason;
}

function message(turn) {
  if (turn.role === "tool") return { role: "tool", tool_call_id: turn.callId, content: turn.text };
  if (turn.role === "user") return { role: "user", content: userContent(turn) };
  const calls = turn.calls.map((call) => ({
    id: call.id, type: "function", function: { name: call.name, arguments: call.arguments },
  }));
  const reasoning = turn.reasoning ? { reasoning_content: turn.reasoning } : {};
  return { role: "assistant", content: turn.text, ...reasoning, ...(calls.length ? { tool_calls: calls } : {}) };
}

function userContent({ text, attachments }) {
  if (!attachments?.length) return text;
  const parts = attachments.map(({ kind, url }) => ({ type: `${kind}_url`, [`${kind}_url`]: { url } }));
  return text ? [...parts, { type: "text", text }] : parts;
}

function load() {
  try {
    const turns = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(turns) ? turns : [];
  } catch {
    return [];
  }
}
