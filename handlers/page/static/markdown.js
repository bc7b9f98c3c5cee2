import DOMPurify from "/page/vendor/purify.js";
import { marked } from "/page/vendor/marked.js";

// What Markdown makes; nothing that loads, asks, or looks like a part of the page.
const ALLOWED = {
  ALLOWED_TAGS: (
    "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li table thead tbody tr th td a sup sub"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
});

/** Markdown as sanitised nodes: whatever the text says, it cannot run, load or send anything. */
export const renderMarkdown = (text) => DOMPurify.sanitize(marked.parse(text, { gfm: true, breaks: true }), ALLOWED);
