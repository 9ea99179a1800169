// The yardstick: one RTCDataChannel between two pages as an application would use it at best, 64 KiB messages sent with
// back-pressure, signalled through the test.

// Of 256 KiB to 8 MiB unsent, all within 3 % of one another from 1 MiB on.
const setting = {message: 64 * 1024, low: 1024 * 1024, high: 4 * 1024 * 1024};

/** In the page: one end. Candidates travel in the description, gathered whole. */
async function open({isAsker, remote, configuration}) {
  const gathered = (connection) => new Promise((resolve) => {
    const look = () => connection.iceGatheringState === 'complete' && resolve(connection.localDescription.toJSON());
    connection.addEventListener('icegatheringstatechange', look);
    look();
  });
  if (isAsker && remote) {
    await globalThis.raw.connection.setRemoteDescription(remote);
    const {channel} = globalThis.raw;
    if (channel.readyState !== 'open') await new Promise((resolve) => channel.onopen = resolve);
    return null;
  }
  const connection = new RTCPeerConnection(configuration);
  const channel = connection.createDataChannel('raw', {negotiated: true, id: 0});
  channel.binaryType = 'arraybuffer';
  globalThis.raw = {connection, channel};
  if (remote) await connection.setRemoteDescription(remote);
  await connection.setLocalDescription();
  return gathered(connection);
}

/** In the sender's page: answers each request, a number of bytes, with so many. */
function serve({message, low, high}) {
  const {channel} = globalThis.raw;
  const bytes = crypto.getRandomValues(new Uint8Array(message));
  channel.bufferedAmountLowThreshold = low;
  channel.onmessage = ({data}) => {
    let left = Number(data);
    const fill = () => {
      for (; left > 0 && channel.bufferedAmount < high; left -= message)
        channel.send(left < message ? bytes.subarray(0, left) : bytes);
      channel.onbufferedamountlow = left > 0 ? fill : null;
    };
    fill();
  };
}

/** In the asker's page: milliseconds from the request to the last byte. */
function ask(bytes) {
  const {channel} = globalThis.raw;
  return new Promise((resolve, reject) => {
    let came = 0;
    channel.onclose = () => reject(new Error('the raw channel closed'));
    channel.onmessage = ({data}) => {
      came += data.byteLength;
      if (came >= bytes) resolve(performance.now() - began);
    };
    const began = performance.now();
    channel.send(String(bytes));
  });
}

/**
 * Connects two visitors' pages; `transfer(bytes)` resolves to the milliseconds it took.
 * @param {import('../e2e/harness/browsers.mjs').Visitor} sender
 * @param {import('../e2e/harness/browsers.mjs').Visitor} asker
 * @param {{ configuration?: RTCConfiguration, rewrite?: (description: any) => any }} [options] `rewrite` may change
 *     descriptions on their way
 */
export async function connectRaw(sender, asker, {configuration = {}, rewrite = (description) => description} = {}) {
  const offer = await asker.run(open, {isAsker: true, configuration});
  const answer = await sender.run(open, {isAsker: false, remote: rewrite(offer), configuration});
  await sender.run(serve, setting);
  await asker.run(open, {isAsker: true, remote: rewrite(answer)});
  return {transfer: (bytes) => asker.run(ask, bytes)};
}
