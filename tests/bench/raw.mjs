// The yardstick: one RTCDataChannel between two pages as an application would use it at best, 64 KiB messages sent with
// back-pressure, signalled through the test.

// Of 256 KiB to 8 MiB unsent, all within 3 % of one another from 1 MiB on.
const setting = { message: 64 * 1024, low: 1024 * 1024, high: 4 * 1024 * 1024 };

/** In the page: one end. Candidates travel in the description, gathered whole. */
async function open({ index, isAsker, remote, configuration }) {
  const gathered = (connection) =>
    new Promise((resolve) => {
      const look = () => connection.iceGatheringState === 'complete' && resolve(connection.localDescription.toJSON());
      connection.addEventListener('icegatheringstatechange', look);
      look();
    });
  globalThis.raw ??= [];
  if (isAsker && remote) {
    const { connection, channel } = globalThis.raw[index];
    await connection.setRemoteDescription(remote);
    if (channel.readyState !== 'open') await new Promise((resolve) => (channel.onopen = resolve));
    return null;
  }
  const connection = new RTCPeerConnection(configuration);
  const channel = connection.createDataChannel('raw', { negotiated: true, id: 0 });
  channel.binaryType = 'arraybuffer';
  globalThis.raw[index] = { connection, channel };
  if (remote) await connection.setRemoteDescription(remote);
  await connection.setLocalDescription();
  return gathered(connection);
}

/** In the sender's page: answers each request, a number of bytes, with so many. */
function serve({ index, message, low, high }) {
  const { channel } = globalThis.raw[index];
  const bytes = crypto.getRandomValues(new Uint8Array(message));
  channel.bufferedAmountLowThreshold = low;
  channel.onmessage = ({ data }) => {
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
function ask({ index, bytes }) {
  const { channel } = globalThis.raw[index];
  return new Promise((resolve, reject) => {
    let came = 0;
    channel.onclose = () => reject(new Error('the raw channel closed'));
    channel.onmessage = ({ data }) => {
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
 * @param {{ index?: number, configuration?: RTCConfiguration, rewrite?: (description: any) => any }} [options] A page's
 *     connections have an index each; `rewrite` may change descriptions on their way
 */
export async function connectRaw(sender, asker, options = {}) {
  const { index = 0, configuration = {}, rewrite = (description) => description } = options;
  const offer = await asker.run(open, { index, isAsker: true, configuration });
  const answer = await sender.run(open, { index, isAsker: false, remote: await rewrite(offer), configuration });
  await sender.run(serve, { index, ...setting });
  await asker.run(open, { index, isAsker: true, remote: await rewrite(answer) });
  return { transfer: (bytes) => asker.run(ask, { index, bytes }) };
}
