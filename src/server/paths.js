/**
 * The path that a request asks for. Its target may be a whole URL (RFC 9112, 3.2.2), as proxies and some tools send it.
 * @param {{ url?: string | undefined }} request
 */
export function pathOf(request) {
  const path = String(request.url)
    .split(/[?#]/, 1)[0]
    .replace(/^https?:\/\/[^/]*/i, '');
  return path || '/';
}
