// Runs in pages, frames and workers: makes the request of a combination and tells all that a page can see of what came.
// It never rejects, and what it tells has no time in it.

/** A combination that is not over by then is told as one that hangs. */
const withinMs = 30_000;

const isWindow = 'document' in globalThis;

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

async function digestOf(bytes) {
  return hex(await crypto.subtle.digest('SHA-256', bytes)).slice(0, 16);
}

const join = async (parts) => new Uint8Array(await new Blob(parts).arrayBuffer());

/** @param {unknown} error */
const nameOf = (error) => error?.name ?? String(error);

/** What belongs to the connection, or to the second in which the answer was made, is no part of the answer. */
const unseen = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** Where a run's servers are. @typedef {{ site: string, other: string }} Places */

/** Observables of one combination, by name. */
class Seen {
  values = {};
  /** What happened when: no observable, it is told where one differs. @type {[string, number][]} */
  steps = [];
  #places;

  /** @param {Places} places */
  constructor(places) {
    this.#places = places;
  }

  tell(name, value) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    this.values[name] = String(text).replaceAll(this.#places.site, '$site').replaceAll(this.#places.other, '$other');
  }

  step(what) {
    this.steps.push([what, Date.now()]);
  }

  headers(pairs) {
    for (const [name, value] of pairs) {
      if (!unseen.has(name)) this.tell(`header ${name}`, name === 'date' ? 'there' : value);
    }
  }

  async body(bytes) {
    this.tell('body length', bytes.byteLength);
    this.tell('body digest', await digestOf(bytes));
  }
}

/** What the suite's origin is told, by its other server: nothing that a worker of the site answers. */
const control = (places, word, key) => fetch(`${places.other}/${word}/${key}`).then(() => {});

/** The next event of an element, by name. */
function next(target, names) {
  return new Promise((resolve) => {
    for (const name of names) target.addEventListener(name, () => resolve(name), { once: true });
  });
}

/** Stays in the document while `work` runs. */
async function inDocument(element, work) {
  document.body.append(element);
  try {
    return await work();
  } finally {
    element.remove();
  }
}

const attributesOf = (element, attributes = {}) => {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

// fetch()

function initOf({ init = {} }, places) {
  const { referrer, ...rest } = init;
  return { ...rest, ...(referrer !== undefined && { referrer: referrer.replace('$site', places.site) }) };
}

/** What an answer of the same file says of its version, for a condition of the next request. */
async function learned({ learn }, url) {
  if (!learn) return {};
  const answer = await fetch(url, { method: learn.by ?? 'GET', cache: learn.cache ?? 'default' });
  await answer.arrayBuffer();
  const value = answer.headers.get(learn.from) ?? '';
  return value === '' ? {} : { [learn.as]: learn.change === 'weaken' ? `W/${value.replace('W/', '')}` : value };
}

/**
 * How a body may be read.
 * @type {Record<string, (response: Response, seen: Seen, places: Places, key: string) => Promise<unknown>>}
 */
const readers = {
  async bytes(response, seen) {
    await seen.body(await response.arrayBuffer());
  },
  async text(response, seen) {
    const text = await response.text();
    await seen.body(new TextEncoder().encode(text));
  },
  async json(response, seen) {
    await seen.body(new TextEncoder().encode(JSON.stringify(await response.json())));
  },
  async blob(response, seen) {
    const blob = await response.blob();
    seen.tell('blob type', blob.type);
    await seen.body(await blob.arrayBuffer());
  },
  async form(response, seen) {
    seen.tell('fields', [...(await response.formData()).keys()].length);
  },
  // A reader that lets the queue fill before each look.
  async slowly(response, seen) {
    const parts = [];
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await seen.body(await join(parts));
    seen.tell('used', response.bodyUsed);
  },
  async byob(response, seen) {
    const parts = [];
    let reader;
    try {
      reader = response.body.getReader({ mode: 'byob' });
    } catch (error) {
      seen.tell('byob', nameOf(error));
      return readers.bytes(response, seen);
    }
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(10_000));
      if (done) break;
      parts.push(value.slice());
    }
    await seen.body(await join(parts));
  },
  async cancel(response, seen) {
    const reader = response.body.getReader();
    const { value } = await reader.read();
    seen.tell('some came', value?.length > 0);
    await reader.cancel('enough');
    seen.tell('used', response.bodyUsed);
  },
  async unread(response, seen) {
    await response.body?.cancel();
    seen.tell('used', response.bodyUsed);
  },
  async tee(response, seen) {
    const [one, two] = response.body.tee();
    const [first, second] = await Promise.all([one, two].map((each) => new Response(each).arrayBuffer()));
    seen.tell('tee', (await digestOf(first)) === (await digestOf(second)));
    await seen.body(first);
  },
  async 'half a tee'(response, seen) {
    const [one, two] = response.body.tee();
    await two.cancel();
    await seen.body(await new Response(one).arrayBuffer());
  },
  async clone(response, seen) {
    const copy = response.clone();
    seen.tell('copy', [copy.status, copy.type, copy.url, copy.redirected]);
    const [first, second] = await Promise.all([response.arrayBuffer(), copy.text()]);
    seen.tell('copy length', second.length > 0 === first.byteLength > 0);
    await seen.body(first);
  },
  async piped(response, seen) {
    const parts = [];
    await response.body.pipeTo(new WritableStream({ write: (part) => void parts.push(part) }));
    await seen.body(await join(parts));
  },
  // The origin goes on when the page has got something: chunks come as they are sent.
  async streamed(response, seen, places, key) {
    const reader = response.body.getReader();
    const parts = [];
    for (let isFirst = true; ; isFirst = false) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      if (isFirst) void control(places, 'release', key);
    }
    await seen.body(await join(parts));
  },
};

async function tellAnswer(response, seen) {
  for (const name of ['status', 'statusText', 'ok', 'type', 'url', 'redirected']) seen.tell(name, response[name]);
  seen.tell('body', response.body === null ? 'null' : 'there');
  seen.headers(response.headers);
}

async function fetching(combination, seen, places, url) {
  const { abort, read = 'bytes', key, times = 1 } = combination;
  const init = initOf(combination, places);
  const found = await learned(combination, url);
  if (combination.learn) seen.tell('learned', found);
  const controller = new AbortController();
  const request = { ...init, headers: { ...init.headers, ...found }, ...(abort && { signal: controller.signal }) };
  const giveUp = () => {
    seen.step('gives up');
    controller.abort();
  };
  if (abort === 'before') giveUp();
  const working = times === 1 ? fetch(url, request) : together(times, url, request, seen);
  if (abort === 'waiting') void control(places, 'arrived', key).then(giveUp);
  let response;
  try {
    response = await working;
  } catch (error) {
    seen.tell('error', nameOf(error));
    return;
  }
  seen.step('head');
  await tellAnswer(response, seen);
  try {
    if (abort === 'head') giveUp();
    if (abort === 'middle') {
      const reader = response.body.getReader();
      const { value } = await reader.read();
      seen.tell('some came', value?.length > 0);
      giveUp();
      while (!(await reader.read()).done);
      return;
    }
    await readers[read](response, seen, places, key);
  } catch (error) {
    if (!combination.mayEnd) seen.tell('body error', nameOf(error));
  }
}

/** Several of the same at once; the first one's answer. */
async function together(times, url, request, seen) {
  const answers = await Promise.all(Array.from({ length: times }, () => fetch(url, request)));
  const digests = await Promise.all(answers.slice(1).map(async (each) => digestOf(await each.arrayBuffer())));
  seen.tell('others', [...new Set(digests)]);
  return answers[0];
}

// XMLHttpRequest

async function requesting(combination, seen, _places, url) {
  const { init = {}, responseType = 'arraybuffer', abort, isSync = false, timeout } = combination;
  const xhr = new XMLHttpRequest();
  xhr.open(init.method ?? 'GET', url, !isSync);
  for (const [name, value] of Object.entries(init.headers ?? {})) xhr.setRequestHeader(name, value);
  if (!isSync) xhr.responseType = responseType;
  if (timeout) xhr.timeout = timeout;
  xhr.withCredentials = Boolean(combination.withCredentials);
  const events = [];
  const totals = new Set();
  let last = 0;
  let isGrowing = true;
  const watch = ({ type, lengthComputable, total, loaded }) => {
    if (events.at(-1) !== type) events.push(type);
    if (type !== 'progress' && type !== 'load') return;
    totals.add(`${lengthComputable} ${total}`);
    isGrowing &&= loaded >= last;
    last = loaded;
    if (abort !== 'progress' || type !== 'progress') return;
    seen.step('gives up');
    xhr.abort();
  };
  for (const type of ['loadstart', 'progress', 'load', 'error', 'abort', 'timeout', 'loadend']) xhr.addEventListener(type, watch);
  const states = [];
  xhr.addEventListener('readystatechange', () => {
    if (states.at(-1) !== xhr.readyState) states.push(xhr.readyState);
  });
  const over = isSync ? null : next(xhr, ['loadend']);
  try {
    xhr.send(combination.init?.body ?? null);
  } catch (error) {
    seen.tell('error', nameOf(error));
  }
  await over;
  seen.tell(
    'events',
    // Whether a page that waits is told of progress depends on how long it waits.
    events.filter((type) => type !== 'progress' || !(abort === 'progress' || isSync)),
  );
  seen.tell('states', states);
  for (const name of ['status', 'statusText', 'responseURL']) seen.tell(name, xhr[name]);
  const lines = xhr.getAllResponseHeaders().split('\r\n');
  seen.headers(lines.filter(Boolean).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
  if (abort) return;
  seen.tell('progress totals', [...totals]);
  seen.tell('progress grows', isGrowing);
  seen.tell('progress loaded', last);
  if (isSync || responseType === 'text') await seen.body(new TextEncoder().encode(xhr.responseText));
  else if (responseType === 'blob' && xhr.response) await seen.body(await xhr.response.arrayBuffer());
  else if (responseType === 'arraybuffer' && xhr.response) await seen.body(xhr.response);
  else seen.tell('response', xhr.response === null ? 'null' : typeof xhr.response);
}

// Elements

async function image(combination, seen, places, url) {
  const element = attributesOf(document.createElement('img'), combination.attributes);
  const over = next(element, ['load', 'error']);
  if (combination.isSrcset) element.srcset = `${url} 1x`;
  else element.src = url;
  await inDocument(element, async () => {
    if (combination.abort === 'waiting') {
      await control(places, 'arrived', combination.key);
      seen.step('gives up');
      element.removeAttribute('src');
      return;
    }
    seen.tell('event', await over);
    seen.tell('size', [element.naturalWidth, element.naturalHeight, element.complete]);
    seen.tell('current', element.currentSrc);
    if (element.naturalWidth > 0) seen.tell('readable', isReadable(element, element.naturalWidth, element.naturalHeight));
  });
}

function isReadable(source, width, height) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  try {
    context.drawImage(source, 0, 0);
    return [...context.getImageData(0, 0, 1, 1).data];
  } catch (error) {
    return nameOf(error);
  }
}

async function background(_combination, seen, _places, url) {
  const element = document.createElement('div');
  element.style.cssText = `width: 50px; height: 50px; background-image: url("${url}")`;
  await inDocument(element, async () => {
    // The same request, by the same document: it is over when this one is.
    const twin = new Image();
    twin.src = url;
    seen.tell(
      'decoded',
      await twin.decode().then(
        () => 'yes',
        (error) => nameOf(error),
      ),
    );
  });
}

/** WebKitGTK knows how large a picture is some time after it has one, and tells it by no event that can be relied on. */
async function hasSize(video) {
  for (let turn = 0; turn < 60 && video.videoWidth === 0; ++turn) await new Promise((resolve) => setTimeout(resolve, 50));
}

/**
 * WebKitGTK never ends a seek to what is yet to come of a file without ranges: without a worker, behind one that only passes on,
 * and behind ours (14, 13 and 17 of 25, where the origin took a sixth of a second for the file). No event tells that it is there.
 */
async function hasCome(element, at) {
  const end = ({ buffered } = element) => (buffered.length > 0 ? buffered.end(buffered.length - 1) : 0);
  for (let turn = 0; turn < 60 && end() < at; ++turn) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function media(combination, seen, _places, url) {
  const element = attributesOf(document.createElement(combination.element), combination.attributes);
  element.muted = true;
  element.preload = 'auto';
  const known = next(element, ['loadedmetadata', 'error']);
  element.src = url;
  await inDocument(element, async () => {
    seen.tell('event', await known);
    seen.step('knows what it is');
    seen.tell('error code', element.error?.code ?? 0);
    seen.tell('current', element.currentSrc);
    if (!element.error) {
      const tenths = (value) => Math.round(value * 10) / 10;
      seen.tell('duration', tenths(element.duration));
      if (element.readyState < 2) await next(element, ['loadeddata', 'error']);
      const target = element.duration * 0.8;
      if (combination.file.kind === 'no ranges') await hasCome(element, target);
      seen.step('seeks');
      const over = next(element, ['seeked', 'error']);
      element.currentTime = target;
      seen.tell('seeked', await over);
      seen.step('is there');
      seen.tell('at', tenths(element.currentTime));
      if (combination.element === 'video') {
        await hasSize(element);
        seen.tell('size', [element.videoWidth, element.videoHeight]);
        seen.tell('readable', isReadable(element, 1, 1)?.length);
      }
    }
    element.removeAttribute('src');
    element.load();
  });
}

async function track(combination, seen, _places, url) {
  const video = attributesOf(document.createElement('video'), combination.attributes);
  const element = document.createElement('track');
  const over = next(element, ['load', 'error']);
  element.src = url;
  video.append(element);
  element.track.mode = 'hidden';
  await inDocument(video, async () => {
    seen.tell('event', await over);
    seen.tell('ready', element.readyState);
    seen.tell(
      'cues',
      [...(element.track.cues ?? [])].map(({ text }) => text),
    );
  });
}

async function font(combination, seen, _places, url) {
  const family = `suite-${combination.key}`;
  const probe = document.createElement('span');
  probe.style.cssText = `font: 20px ${family}, monospace; position: absolute`;
  probe.textContent = 'AAAA';
  if (combination.isByStyle) {
    const style = document.createElement('style');
    style.textContent = `@font-face { font-family: "${family}"; src: url("${url}"); }`;
    document.head.append(style);
    const faces = await document.fonts.load(`20px ${family}`).catch((error) => [nameOf(error)]);
    seen.tell(
      'faces',
      faces.map((face) => face.status ?? face),
    );
  } else {
    const face = new FontFace(family, `url("${url}")`);
    document.fonts.add(face);
    seen.tell(
      'loaded',
      await face.load().then(
        () => 'yes',
        (error) => nameOf(error),
      ),
    );
  }
  await inDocument(probe, async () => seen.tell('width', Math.round(probe.getBoundingClientRect().width)));
}

/** In a frame of its own: what a script leaves there is not found by the next one. */
async function inFrame(work) {
  const frame = document.createElement('iframe');
  const loaded = next(frame, ['load']);
  frame.src = '/blank.html';
  return inDocument(frame, async () => {
    await loaded;
    return work(frame.contentWindow, frame.contentDocument);
  });
}

async function script(combination, seen, _places, url) {
  const { isModule = false, attributes, isImported = false } = combination;
  await inFrame(async (window, document) => {
    if (isImported) {
      const answer = await window.eval(`import(${JSON.stringify(url)})`).catch((error) => ({ error: nameOf(error) }));
      seen.tell('imported', { ...answer });
      return;
    }
    const errors = [];
    window.addEventListener('error', ({ message }) => errors.push(message ? 'error' : ''));
    const element = attributesOf(document.createElement('script'), attributes);
    if (isModule) element.type = 'module';
    const over = next(element, ['load', 'error']);
    element.src = url;
    document.head.append(element);
    seen.tell('event', await over);
    seen.tell('ran', window.ran ?? 0);
    seen.tell('base', window.base ?? '');
    seen.tell('errors', errors);
  });
}

async function style(combination, seen, _places, url) {
  await inFrame(async (window, document) => {
    const probe = document.createElement('div');
    probe.id = 'probe';
    document.body.append(probe);
    let element;
    if (combination.isImported) {
      element = document.createElement('style');
      element.textContent = `@import url("${url}");`;
    } else {
      element = attributesOf(document.createElement('link'), combination.attributes);
      element.rel = 'stylesheet';
      element.href = url;
    }
    const over = next(element, ['load', 'error']);
    document.head.append(element);
    seen.tell('event', await over);
    seen.tell('width', window.getComputedStyle(probe).width);
    try {
      seen.tell('rules', element.sheet?.cssRules.length ?? 'none');
    } catch (error) {
      seen.tell('rules', nameOf(error));
    }
  });
}

async function link(combination, seen, _places, url) {
  const element = attributesOf(document.createElement('link'), combination.attributes);
  const over = next(element, ['load', 'error']);
  element.href = url;
  document.head.append(element);
  seen.tell('event', await over);
  element.remove();
}

async function frame(combination, seen, _places, url) {
  const element = attributesOf(document.createElement(combination.element ?? 'iframe'), combination.attributes);
  const over = next(element, ['load', 'error']);
  if (combination.element === 'object') element.data = url;
  else element.src = url;
  await inDocument(element, async () => {
    seen.tell('event', await over);
    const inside = element.contentDocument;
    seen.tell('document', inside ? [inside.title, inside.URL, inside.contentType, inside.referrer] : 'none');
    seen.tell('root', inside?.documentElement?.localName ?? 'none');
  });
}

// Workers, and what else asks

async function workerScript(combination, seen, _places, url) {
  const kind = combination.isShared ? SharedWorker : Worker;
  let worker;
  try {
    worker = new kind(url, { type: combination.isModule ? 'module' : 'classic', name: combination.key });
  } catch (error) {
    seen.tell('error', nameOf(error));
    return;
  }
  const port = worker.port ?? worker;
  port.start?.();
  const told = new Promise((resolve) => {
    port.addEventListener('message', ({ data }) => resolve(data));
    worker.addEventListener('error', () => resolve('error'));
  });
  seen.tell('told', await told);
  worker.terminate?.();
}

async function imported(_combination, seen, _places, url) {
  const line = `importScripts(${JSON.stringify(url)}); postMessage(String(ran));`;
  const code = `try { ${line} } catch (error) { postMessage(error.name); }`;
  const address = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const worker = new Worker(address);
  const { data } = await new Promise((resolve) => {
    worker.onmessage = resolve;
    worker.onerror = () => resolve({ data: 'error' });
  });
  seen.tell('told', data);
  worker.terminate();
  URL.revokeObjectURL(address);
}

async function eventSource(_combination, seen, _places, url) {
  const source = new EventSource(url);
  seen.tell('event', await next(source, ['open', 'error']));
  source.close();
}

async function beacon(_combination, seen, places, url) {
  seen.tell('sent', navigator.sendBeacon(url, 'told'));
  await control(places, 'arrived', _combination.key);
}

const probes = {
  fetch: fetching,
  xhr: requesting,
  image,
  background,
  media,
  track,
  font,
  script,
  style,
  link,
  frame,
  worker: workerScript,
  imported,
  eventSource,
  beacon,
};

/** In this very context. */
async function observeHere(combination, places) {
  const seen = new Seen(places);
  const url = `/c/${combination.key}/file.${combination.file.extension}${combination.query ?? ''}`;
  const address = combination.isElsewhere ? places.other + url : isWindow ? url : places.site + url;
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, withinMs, 'hangs')));
  seen.step('begins');
  const work = probes[combination.probe](combination, seen, places, address).catch(
    (error) => `failed: ${nameOf(error)}: ${error?.message}`,
  );
  const word = await Promise.race([work, late]);
  clearTimeout(timer);
  if (word) seen.tell('end', word);
  seen.step('is done');
  return { ...seen.values, steps: seen.steps };
}

// Other contexts: each is made once, and asked by messages.

const askers = new Map();

function asker(name, make) {
  if (!askers.has(name)) askers.set(name, make());
  return askers.get(name);
}

/** Asks by a port of its own. */
const askBy = (post) => (combination, places) =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    post({ combination, places }, [port2]);
  });

const workerOf = async (address) => {
  const worker = new Worker(address, { type: 'module' });
  await next(worker, ['message']);
  return askBy((message, ports) => worker.postMessage(message, ports));
};

const contexts = {
  worker: () => workerOf('/transparency/worker.mjs'),
  blob: () => {
    const code = `import '${location.origin}/transparency/worker.mjs';`;
    return workerOf(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  },
  shared: async () => {
    const { port } = new SharedWorker('/transparency/worker.mjs', { type: 'module', name: 'suite' });
    port.start();
    await next(port, ['message']);
    return askBy((message, ports) => port.postMessage(message, ports));
  },
  frame: () => frameOf({ src: '/inner.html' }),
  srcdoc: () => frameOf({ srcdoc: '<!doctype html><script type="module" src="/transparency/worker.mjs"></script>' }),
};

async function frameOf(attributes) {
  const element = attributesOf(document.createElement('iframe'), attributes);
  const ready = new Promise((resolve) => {
    addEventListener('message', ({ source, data }) => {
      if (data === 'ready' && source === element.contentWindow) resolve(undefined);
    });
  });
  document.body.append(element);
  await ready;
  return askBy((message, ports) => element.contentWindow.postMessage(message, '*', ports));
}

/** In the context that the combination names. */
export async function observe(combination, places) {
  const { context } = combination;
  if (!context || !isWindow) return observeHere(combination, places);
  try {
    const ask = await asker(context, contexts[context]);
    return await ask(combination, places);
  } catch (error) {
    return { end: `no ${context}: ${nameOf(error)}` };
  }
}

/** Reads the file as a visitor who comes for the first time. */
export async function warm({ key, file }) {
  try {
    const response = await fetch(`/c/${key}/file.${file.extension}`);
    await response.arrayBuffer();
  } catch {
    // Some cannot be had: that is what their second time is about.
  }
}

/** Runs `work` on each, so many at a time; what it gave by their keys. */
export async function each(list, width, work) {
  const results = {};
  const queue = [...list];
  const lane = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) results[item.key] = await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
}
