// What page.mjs does, in a worker or a frame: asked by messages, each with a port for the answer.
import { observe } from './page.mjs';

const answer = async ({ data, ports }) => {
  if (data?.combination) ports[0].postMessage(await observe({ ...data.combination, context: undefined }, data.places));
};

if ('onconnect' in globalThis) {
  globalThis.onconnect = ({ ports: [port] }) => {
    port.onmessage = answer;
    port.postMessage('ready');
  };
} else {
  addEventListener('message', answer);
  if ('document' in globalThis) parent.postMessage('ready', '*');
  else postMessage('ready');
}
