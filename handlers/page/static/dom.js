/** The element with this id; the page has it. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element. Texts among the children become text, never markup; null and false are left out. Of the properties
 * those with a dash, and `role`, are attributes, and those that begin with "on" listeners.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** A button with a text that does something. */
export const button = (text, act, properties = {}) =>
  element("button", { type: "button", onclick: act, ...properties }, text);
