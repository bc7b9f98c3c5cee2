import { apiKey, getDocument, listModels, streamChat } from "/page/api.js";
import { Attachments } from "/page/attachments.js";
import { addChunk, Conversation, newAnswer } from "/page/conversation.js";
import { byId, element } from "/page/dom.js";
import { numericParameters, parameterInputs } from "/page/parameters.js";
import { keepSettings, requestFields, showSettings } from "/page/settings.js";
import { renderTurn } from "/page/view.js";

const RETRY_MILLISECONDS = 2000;
const conversation = new Conversation();
const attachments = new Attachments();
const shownTokens = new WeakSet();
const articles = new WeakMap();
let models = [];
let running = null; // {controller, answer} of the answer that is being written

const actions = {
  edit(turn) {
    if (running) return;
    conversation.cutFrom(turn);
    byId("prompt").value = turn.text;
    attachments.put(turn.attachments ?? []);
    fitPrompt();
    showAll();
    byId("prompt").focus();
  },
  regenerate(turn) {
    if (running) return;
    conversation.cutFrom(turn);
    answerNow();
  },
  giveResult(call, text) {
    if (running) return;
    conversation.add({ role: "tool", callId: call.id, name: call.name, text });
    if (conversation.openCalls().length) showAll();
    else answerNow();
  },
  toggleTokens(turn) {
    if (!shownTokens.delete(turn)) shownTokens.add(turn);
    show(turn);
  },
};

function stateOf(turn) {
  return {
    running: running?.answer === turn || (turn.role === "user" && running !== null),
    raw: turn.raw ?? false,
    tokens: shownTokens.has(turn),
    openCalls: conversation.openCalls(),
  };
}

function show(turn) {
  const article = renderTurn(turn, stateOf(turn), actions);
  const before = articles.get(turn);
  if (before?.isConnected) {
    const opened = before.querySelector("details.reasoning")?.open;
    if (opened) article.querySelector("details.reasoning")?.setAttribute("open", "");
    before.replaceWith(article);
  } else byId("log").append(article);
  articles.set(turn, article);
}

function showAll() {
  byId("log").replaceChildren();
  conversation.turns.forEach(show);
  byId("send").hidden = running !== null;
  byId("stop").hidden = running === null;
  byId("new").disabled = running !== null;
  scrollDown();
}

function scrollDown() {
  byId("log").scrollTop = byId("log").scrollHeight;
}

const atEnd = () => byId("log").scrollHeight - byId("log").scrollTop - byId("log").clientHeight < 40;

async function answerNow() {
  const answer = newAnswer();
  let body;
  try {
    body = { model: byId("model").value, messages: conversation.messages(byId("system").value), ...requestFields() };
  } catch (error) {
    tell(error.message);
    showAll();
    return;
  }
  answer.raw = body.response_format !== undefined;
  conversation.add(answer);
  running = { controller: new AbortController(), answer };
  if (body.logprobs) shownTokens.add(answer);
  tell("The model answers.");
  showAll();
  try {
    await read({ ...body, stream: true, stream_options: { include_usage: true } }, answer, running.controller.signal);
    tell("The answer is complete.");
  } catch (error) {
    answer.error = error.name === "AbortError" ? "You stopped this answer." : error.message;
    tell(answer.error);
  }
  running = null;
  conversation.save();
  showAll();
  byId("prompt").focus();
}

async function read(body, answer, signal) {
  const begun = performance.now();
  let frame = 0;
  try {
    for await (const { chunk, ignored } of streamChat(body, signal)) {
      if (ignored) {
        note(ignored, answer);
        continue;
      }
      if (answer.firstSeconds === null && chunk.choices.length) {
        answer.firstSeconds = (performance.now() - begun) / 1000;
      }
      addChunk(answer, chunk);
      answer.seconds = (performance.now() - begun) / 1000;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        const follow = atEnd();
        show(answer);
        if (follow) scrollDown();
      });
    }
  } finally {
    cancelAnimationFrame(frame);
  }
}

/** What had no effect, but for the folding of reasoning, which is on until a model turns out to have none. */
function note(ignored, answer) {
  answer.ignored.push(...ignored.filter((name) => name !== "parse_reasoning"));
  if (ignored.includes("parse_reasoning")) {
    byId("reasoning").checked = false;
    byId("reasoning").dispatchEvent(new Event("change", { bubbles: true }));
  }
}

function tell(text) {
  byId("announcement").textContent = text;
  byId("status").textContent = "";
  if (!running && text.startsWith("Settings")) byId("status").textContent = text;
}

function send(event) {
  event.preventDefault();
  const text = byId("prompt").value.trim();
  const files = running ? [] : attachments.take();
  if (running || (!text && !files.length)) return;
  conversation.add({ role: "user", text, attachments: files });
  byId("prompt").value = "";
  fitPrompt();
  answerNow();
}

function fitPrompt() {
  const prompt = byId("prompt");
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight}px`;
}

function onPromptKey(event) {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  else if (event.key === "ArrowUp" && !byId("prompt").value) {
    const last = conversation.turns.findLast((turn) => turn.role === "user");
    if (last) {
      event.preventDefault();
      actions.edit(last);
    }
  }
}

function showModels() {
  const chosen = byId("model").value;
  byId("model").replaceChildren(...models.map(({ id }) => element("option", { value: id }, id)));
  if (models.some(({ id }) => id === chosen)) byId("model").value = chosen;
  showModel();
}

function showModel() {
  const model = models.find(({ id }) => id === byId("model").value);
  attachments.allow(model?.input_modalities ?? []);
}

function toggleSettings() {
  const hidden = (byId("settings").hidden = !byId("settings").hidden);
  byId("show-settings").setAttribute("aria-expanded", String(!hidden));
}

/** Asks the server what it has, again as long as it cannot be reached or wants a key. */
async function connect() {
  try {
    models = await listModels();
    const parameters = numericParameters(await getDocument());
    byId("parameters").replaceChildren(...parameterInputs(parameters));
    byId("status").textContent = "";
  } catch (error) {
    byId("status").textContent = error.status === 401 ? "Settings: this server wants an API key." : error.message;
    setTimeout(connect, RETRY_MILLISECONDS);
    return;
  }
  showModels();
  keepSettings(showSettings);
  showModel();
  if (models.some((model) => !model.input_modalities)) setTimeout(refreshModels, RETRY_MILLISECONDS);
}

/** Asks again what the models take, as long as the server does not know it because it is loading. */
async function refreshModels() {
  models = await listModels().catch(() => models);
  showModels();
  if (models.some((model) => !model.input_modalities)) setTimeout(refreshModels, RETRY_MILLISECONDS);
}

byId("composer").addEventListener("submit", send);
byId("prompt").addEventListener("keydown", onPromptKey);
byId("prompt").addEventListener("input", fitPrompt);
byId("stop").addEventListener("click", () => running?.controller.abort());
byId("new").addEventListener("click", () => {
  conversation.clear();
  showAll();
  byId("prompt").focus();
});
byId("show-settings").addEventListener("click", toggleSettings);
byId("model").addEventListener("change", showModel);
byId("key").value = apiKey.get();
byId("key").addEventListener("change", () => apiKey.set(byId("key").value.trim()));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.controller.abort();
});
showSettings();
showAll();
connect();
