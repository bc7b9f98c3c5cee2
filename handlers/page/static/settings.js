import { byId } from "/page/dom.js";
import { parameterValues } from "/page/parameters.js";

const STORE = "jaxchat.settings";
const KEPT = ["system", "form", "grammar", "tools", "tool-choice", "stops", "theme", "model"];
const CHECKED = ["logprobs", "reasoning"];
const TOP_LOGPROBS = 5;

/** Takes the settings of the last visit, and keeps every change. changed: is called after each. */
export function keepSettings(changed) {
  const kept = load();
  for (const id of KEPT) if (kept[id] !== undefined) byId(id).value = kept[id];
  for (const id of CHECKED) if (kept[id] !== undefined) byId(id).checked = kept[id];
  for (const input of byId("parameters").querySelectorAll("input")) input.value = kept.parameters?.[input.name] ?? "";
  for (const kind of ["input", "change"]) {
    byId("settings").addEventListener(kind, () => { save(); changed(); });
  }
  byId("model").addEventListener("change", save);
  changed();
}

function save() {
  const inputs = [...byId("parameters").querySelectorAll("input")];
  const parameters = Object.fromEntries(inputs.map((input) => [input.name, input.value]));
  const texts = Object.fromEntries(KEPT.map((id) => [id, byId(id).value]));
  const checks = Object.fromEntries(CHECKED.map((id) => [id, byId(id).checked]));
  localStorage.setItem(STORE, JSON.stringify({ ...texts, ...checks, parameters }));
}

function load() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/** Says beside the fields what in them cannot be read, shows the fields that are needed, and sets the colours. */
export function showSettings() {
  const form = byId("form").value;
  for (const part of document.querySelectorAll(".grammar")) part.hidden = !["json_schema", "regex"].includes(form);
  byId("grammar-error").textContent = form === "json_schema" ? fault(byId("grammar").value, isSchema) : "";
  byId("tools-error").textContent = byId("tools").value.trim() ? fault(byId("tools").value, Array.isArray) : "";
  document.documentElement.dataset.theme = byId("theme").value;
}

/** The fields of a request that the settings say; throws an Error that says which of them cannot be read. */
export function requestFields() {
  for (const id of ["grammar-error", "tools-error"]) {
    if (byId(id).textContent) throw new Error(`Settings: ${byId(id).textContent}`);
  }
  const stops = byId("stops").value.split("\n").filter((line) => line);
  return {
    ...parameterValues(byId("parameters")),
    ...(stops.length ? { stop: stops } : {}),
    ...responseFormat(),
    ...tools(),
    ...(byId("reasoning").checked ? { parse_reasoning: true } : {}),
    ...(byId("logprobs").checked ? { logprobs: true, top_logprobs: TOP_LOGPROBS } : {}),
  };
}

function responseFormat() {
  const form = byId("form").value;
  const text = byId("grammar").value;
  if (form === "json_object") return { response_format: { type: "json_object" } };
  if (form === "regex") return { response_format: { type: "regex", schema: text } };
  if (form !== "json_schema") return {};
  return { response_format: { type: "json_schema", json_schema: { name: "answer", schema: JSON.parse(text) } } };
}

function tools() {
  if (!byId("tools").value.trim()) return {};
  return { tools: JSON.parse(byId("tools").value), tool_choice: byId("tool-choice").value };
}

function fault(text, fits) {
  try {
    return fits(JSON.parse(text)) ? "" : "this is JSON, but not what belongs here";
  } catch (error) {
    return `this is no JSON yet: ${error.message}`;
  }
}

const isSchema = (value) => typeof value === "boolean" || (typeof value === "object" && value !== null && !Array.isArray(value));
