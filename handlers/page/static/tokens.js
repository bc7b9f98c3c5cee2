import { element } from "/page/dom.js";

const BANDS = [0.9, 0.6, 0.3, 0.1];

/** Tokens of an answer, coloured by how likely the model held them; each tells its alternatives. */
export function renderTokens(tokens) {
  const box = element("div", { className: "tokens", role: "group", "aria-label": "Tokens with their probabilities" });
  for (const token of tokens) box.append(renderToken(token));
  return box;
}

function renderToken({ token, logprob, top_logprobs }) {
  const probability = Math.exp(logprob);
  const band = BANDS.findIndex((least) => probability >= least);
  const rows = (top_logprobs ?? []).map((other) =>
    element("tr", {}, element("td", {}, visible(other.token)), element("td", {}, percent(Math.exp(other.logprob)))));
  const table = element("table", {}, element("caption", {}, `${visible(token)} ${percent(probability)}`), rows);
  const shown = element("span", { className: "text" }, token);
  const hint = element("span", { className: "hint", role: "tooltip" }, table);
  const label = `${visible(token)}, ${percent(probability)}`;
  return element(
    "span",
    { className: `token band${band < 0 ? BANDS.length : band}`, tabIndex: 0, "aria-label": label },
    shown,
    hint,
  );
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;

const visible = (text) => JSON.stringify(text).slice(1, -1).replaceAll(" ", "␣");
