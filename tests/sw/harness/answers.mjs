// Steps for Origin.script() and always(): how one request is answered. A step gets the request and the usual answer.

const encoder = new TextEncoder();

/** A status of its own, with a short text. */
export const status =
  (code, headers = {}, text = `status ${code}`) =>
  () => ({ status: code, headers, body: encoder.encode(text) });

/** The usual answer. */
export const usual = (_request, serve) => serve();

/** The usual answer with other fields: `type`, `breaks`, `ends`, `stalls`, `pace`, `chunk`, `status`, `body`. */
export const usualBut = (fields) => async (_request, serve) => ({ ...(await serve()), ...fields });

/** The usual answer with more headers. */
export const withHeaders = (headers) => async (_request, serve) => {
  const answer = await serve();
  return { ...answer, headers: { ...answer.headers, ...headers } };
};

/** The connection breaks after so many bytes of the body. */
export const broken = (bytes) => usualBut({ breaks: bytes });

/** The body stops after so many bytes, and stays open. */
export const stalled = (bytes) => usualBut({ stalls: bytes });

/** The whole file, whatever was asked: an origin without ranges. */
export const whole = (request, serve) => {
  request.headers.delete('range');
  return serve();
};

/** Other bytes of the same length: one of them, at this place of the file, is changed. */
export const spoilt = (at) => async (_request, serve) => {
  const answer = await serve();
  const begin = +(/^bytes (\d+)/.exec(answer.headers['content-range'] ?? '')?.[1] ?? 0);
  const body = answer.body.slice();
  if (at >= begin && at < begin + body.length) body[at - begin] ^= 1;
  return { ...answer, body };
};

/** After so many milliseconds more. */
export const late =
  (ms, step = usual) =>
  async (request, serve, clock) => {
    await clock.after(ms);
    return step(request, serve, clock);
  };

/** No connection. */
export const unreachable = () => {
  throw new TypeError('Failed to fetch');
};

/** No answer, ever. */
export const silent = () => new Promise(() => {});

export const redirect =
  (location, code = 302) =>
  () => ({ status: code, headers: { location }, body: null });
