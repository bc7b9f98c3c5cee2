import { element } from "/page/dom.js";

const BODY = "ContainerChatCompletionBody";
// What the page sets itself.
const OWN = new Set(["n", "top_logprobs"]);

/** The numeric parameters of a chat request with what the served document says of them. */
export function numericParameters(document) {
  const properties = document.components.schemas[BODY].properties;
  return Object.entries(properties)
    .map(([name, schema]) => ({ name, ...numberSchema(schema), description: schema.description ?? "" }))
    .filter(({ kind, name }) => kind && !OWN.has(name));
}

function numberSchema(schema) {
  for (const form of [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    const kind = [form.type].flat().find((type) => type === "number" || type === "integer");
    if (kind) {
      return { kind, least: form.minimum ?? form.exclusiveMinimum, most: form.maximum ?? form.exclusiveMaximum };
    }
  }
  return {};
}

/** An input for each parameter, with its range. */
export function parameterInputs(parameters) {
  return parameters.map(({ name, kind, least, most, description }) => {
    const range = [least ?? "", most ?? ""].some((end) => end !== "") ? `${least ?? ""} … ${most ?? ""}` : kind;
    const input = element("input", {
      type: "number", id: `parameter-${name}`, name, step: kind === "integer" ? "1" : "any", placeholder: range,
      inputMode: kind === "integer" ? "numeric" : "decimal", "aria-describedby": `about-${name}`,
    });
    if (least !== undefined) input.min = least;
    if (most !== undefined) input.max = most;
    const label = element("label", { htmlFor: input.id }, name);
    const about = element("span", { id: `about-${name}`, className: "about" }, firstSentence(description));
    return element("div", { className: "parameter" }, label, input, about);
  });
}

/** The values that are set, by name; throws an Error that names the first that is not in its range. */
export function parameterValues(container) {
  const values = {};
  for (const input of container.querySelectorAll("input")) {
    if (!input.validity.valid) throw new Error(`${input.name}: ${input.validationMessage}`);
    if (input.value !== "") values[input.name] = Number(input.value);
  }
  return values;
}

const firstSentence = (text) => text.replace(/\s+/g, " ").split(/(?<=\.)\s/)[0];
