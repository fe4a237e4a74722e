/** What GraphiQL sends its operations by: one POST each, answered by JSON or by an event stream. */

/** Frames of a stream that are shown below the newest one. */
const EARLIER_MAX = 50;
/** Stands in the tabs' variables where each run needs a key of its own. */
const NEW_KEY = '<new>';

/** A UUIDv7 (RFC 9562, section 5.7). */
function newKey() {
  const random = crypto.randomUUID();
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}

const withKeys = (variables) =>
  JSON.parse(JSON.stringify(variables ?? {}), (name, value) =>
    name === 'clientKey' && value === NEW_KEY ? newKey() : value,
  );

/** `onBadToken` is called when the server does not take the token of the sign-in. */
export function fetcherWith(endpoint, token, onBadToken) {
  return async ({ query, operationName, variables }, { headers } = {}) => {
    const leaving = new AbortController();
    const answer = await fetch(endpoint, {
      method: 'POST',
      signal: leaving.signal,
      headers: headersWith(token, headers),
      body: JSON.stringify({ query, operationName, variables: withKeys(variables) }),
    });
    if (answer.headers.get('content-type')?.startsWith('text/event-stream')) return framesOf(answer, leaving);
    const usedOurs = !Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
    if (answer.status === 401 && usedOurs) onBadToken();
    return answer.json();
  };
}

function headersWith(token, typed) {
  const headers = new Headers({ authorization: `Bearer ${token}`, ...lowerCased(typed) });
  headers.set('content-type', 'application/json');
  headers.set('accept', 'application/json, text/event-stream');
  return headers;
}

const lowerCased = (headers) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));

/** An iterable whose `return` ends the request, also while it waits for the next frame. */
function framesOf(answer, leaving) {
  const frames = shown(eventsOf(answer.body));
  return {
    next: () => frames.next(),
    return: (value) => {
      leaving.abort();
      return Promise.resolve({ done: true, value });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** GraphiQL shows the last result only: what came before goes below it. */
async function* shown(events) {
  const earlier = [];
  for await (const result of events) {
    yield earlier.length > 0 ? { ...result, earlier: [...earlier] } : result;
    earlier.unshift(Object.values(result.data ?? {})[0] ?? result);
    earlier.length = Math.min(earlier.length, EARLIER_MAX);
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const events = text.split('\n\n');
      text = events.pop();
      for (const event of events) {
        if (/^event: complete$/m.test(event)) return;
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data) yield JSON.parse(data);
      }
    }
  } catch (error) {
    // Ended by `return`.
    if (error.name !== 'AbortError') throw error;
  }
}
