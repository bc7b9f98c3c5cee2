const IGNORED = "x-ignored-parameters ";

/**
 * The events of a response's body as they come: {data} for an event's text, {ignored} for a comment that names
 * parameters without effect. Other comments are passed over.
 */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (buffered + value).split(/\r\n|\n|\r(?!$)/);
      buffered = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { data: data.join("\n") };
          data = [];
        } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
        else if (line.startsWith(`: ${IGNORED}`)) yield { ignored: parameterNames(line.slice(2 + IGNORED.length)) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The names in a header or comment of parameters without effect. */
export const parameterNames = (text) => (text ? text.split(",").map((name) => decodeURIComponent(name.trim())) : []);
