import { preview } from "/page/attachments.js";
import { button, element } from "/page/dom.js";
import { renderMarkdown } from "/page/markdown.js";
import { renderTokens } from "/page/tokens.js";

const NAMES = { user: "You", assistant: "Model", tool: "Tool" };
const REASONS = {
  length: "The answer was cut: it has as many tokens as it may have.",
  tool_calls: "The model waits for what its calls give.",
};

const LEAST_SECONDS = 0.05; // a shorter answer came in one piece, and has no speed

/**
 * A turn of the conversation as an article. state: {running, raw, tokens, openCalls}, whether the answer is being
 * written, is shown as it is rather than as Markdown, has its tokens shown; calls without a result.
 * actions: {edit, regenerate, giveResult, toggleTokens}.
 */
export function renderTurn(turn, state, actions) {
  const article = element("article", { className: `turn ${turn.role}`, "aria-label": NAMES[turn.role] });
  article.append(element("h2", {}, turn.role === "tool" ? `Result of ${turn.name}` : NAMES[turn.role]));
  const parts = { user: renderUser, tool: renderResult, assistant: renderAnswer };
  article.append(...parts[turn.role](turn, state, actions).filter(Boolean));
  return article;
}

function renderUser(turn, state, actions) {
  const media = (turn.attachments ?? []).map(preview);
  const edit = button("Edit", () => actions.edit(turn), { disabled: state.running });
  return [...media, element("p", { className: "plain" }, turn.text), element("footer", {}, edit)];
}

const renderResult = (turn) => [element("pre", {}, pretty(turn.text))];

function renderAnswer(turn, state, actions) {
  return [
    turn.reasoning && renderReasoning(turn, state),
    state.tokens && turn.tokens.length ? renderTokens(turn.tokens) : turn.text && renderText(turn.text, state),
    ...turn.calls.map((call) => renderCall(call, state, actions)),
    turn.error && element("p", { className: "error", role: "alert" }, turn.error),
    REASONS[turn.finishReason] && element("p", { className: "note" }, REASONS[turn.finishReason]),
    turn.ignored.length > 0 && element("p", { className: "note" }, `Without effect: ${turn.ignored.join(", ")}`),
    !state.running && renderFooter(turn, state, actions),
  ];
}

function renderReasoning(turn, state) {
  const thinking = state.running && !turn.text;
  const summary = element("summary", {}, thinking ? "Thinking…" : "Reasoning");
  return element("details", { className: "reasoning" }, summary, element("p", { className: "plain" }, turn.reasoning));
}

function renderText(text, state) {
  if (state.raw) return element("pre", { className: "answer" }, state.running ? text : pretty(text));
  return element("div", { className: "answer" }, renderMarkdown(text));
}

function renderCall(call, state, actions) {
  const card = element("section", { className: "call", "aria-label": `Call of ${call.name}` });
  card.append(element("h3", {}, call.name), element("pre", {}, pretty(call.arguments)));
  if (!state.running && state.openCalls.includes(call)) {
    const result = element("textarea", { rows: 2, "aria-label": `Result of ${call.name}` });
    card.append(result, button("Give result", () => actions.giveResult(call, result.value)));
  }
  return card;
}

function renderFooter(turn, state, actions) {
  const footer = element("footer", {}, button("Regenerate", () => actions.regenerate(turn)));
  if (turn.tokens.length) {
    const pressed = { "aria-pressed": String(state.tokens) };
    footer.append(button("Tokens", () => actions.toggleTokens(turn), pressed));
  }
  if (turn.text) footer.append(button("Copy", () => navigator.clipboard.writeText(turn.text)));
  footer.append(element("span", { className: "figures" }, figures(turn)));
  return footer;
}

function figures({ usage, firstSeconds, seconds }) {
  const told = [];
  if (usage) told.push(`${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
  if (firstSeconds !== null) told.push(`first after ${firstSeconds.toFixed(2)} s`);
  const writing = seconds - firstSeconds;
  if (usage?.completion_tokens > 1 && writing > LEAST_SECONDS) {
    told.push(`${((usage.completion_tokens - 1) / writing).toFixed(1)} tokens/s`);
  }
  return told.join(", ");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
