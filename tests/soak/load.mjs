// load.mjs: the clients of the soak: connections that open, talk, pause, stall and die, each with its number.
import {once} from 'node:events';
import net from 'node:net';
import WebSocket from 'ws';

const TALKERS = 24, CALLS = 40, USERS = 100, LONG_USERS = 400;
export const PAUSE_MS = 25_000; // longer than the recorder remembers a silent connection
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the clients know of their connections, by number: the port, from when to when (ms), calls sent, answers got. */
export class Load {
  connections = new Map();
  counts = {connections: 0, calls: 0, answers: 0, paused: 0, died: 0, halves: 0, stalled: 0};
  #over = false;
  #work;
  constructor(port) {
    this.port = port;
    this.#work = [...Array(TALKERS).keys()].map((i) => this.#talk(i));
    this.#work.push(this.#pausing(), this.#steady(), this.#halves());
  }
  async stop() {
    this.#over = true;
    await Promise.all(this.#work);
  }
  async #open(number, user, deflate) {
    const c = {user, from: Date.now(), to: Infinity, port: 0, sent: 0, got: 0, deflate};
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/?appid=wx1&openid=${user}&c=${number}`, {perMessageDeflate: deflate});
    socket.on('error', () => {});
    const open = {c, socket, wait: 0};
    socket.on('message', () => (c.got++, this.counts.answers++, c.got >= open.wait && open.done?.()));
    socket.on('close', () => ((c.to = Date.now()), open.done?.()));
    this.counts.connections++;
    this.connections.set(number, c);
    await once(socket, 'open');
    c.port = socket._socket.localPort;
    return open;
  }
  /** Sends calls up to the `upto`th and waits for their answers, two seconds at most. */
  async #calls(number, open, upto) {
    const {c, socket} = open;
    open.wait = upto;
    const all = new Promise((resolve) => (open.done = resolve));
    for (; c.sent < upto; c.sent++, this.counts.calls++)
      socket.send(JSON.stringify({id: `${number}.${c.sent}`, method: 'App.callWxMethod', params: {method: 'startRecord', args: [{}]}}));
    await Promise.race([all, sleep(2000)]);
  }
  async #talk(i) {
    for (let n = 0; !this.#over; n++) {
      const number = `${i}.${n}`, open = await this.#open(number, `o${i}-${n % USERS}`, i % 2 === 0);
      if (n % 7 === 3) { // a reset while answers are on their way
        this.#calls(number, open, CALLS);
        await sleep(n % 4);
        (open.socket.terminate(), this.counts.died++);
      } else {
        await this.#calls(number, open, CALLS);
        open.socket.close();
      }
      if (open.socket.readyState !== WebSocket.CLOSED) await once(open.socket, 'close');
    }
  }
  /** So many connections at a time, one after the other each. */
  async #loops(many, letter, one) {
    let n = 0;
    await Promise.all([...Array(many).keys()].map(async (i) => {
      for (await sleep(i * 100); !this.#over;) await one(`${letter}.${n}`, n++);
    }));
  }
  /** Connections that the recorder forgets in the middle. */
  #pausing() {
    return this.#loops(100, 'p', (number, n) => this.#pause(number, n));
  }
  /** Connections of which, when packets are lost, some come before and some after. */
  #steady() {
    return this.#loops(40, 's', async (number, n) => {
      const open = await this.#open(number, `s${n % LONG_USERS}`, n % 2 === 0);
      for (let k = 1; k <= 4 * CALLS && !this.#over; k++) {
        await this.#calls(number, open, k);
        await sleep(50);
      }
      open.socket.close();
      if (open.socket.readyState !== WebSocket.CLOSED) await once(open.socket, 'close');
    });
  }
  async #pause(number, n) {
    const open = await this.#open(number, `p${n % LONG_USERS}`, n % 2 === 0);
    this.counts.paused++;
    await this.#calls(number, open, CALLS / 2);
    for (let ms = 0; ms < PAUSE_MS && !this.#over; ms += 500) await sleep(500);
    await this.#calls(number, open, CALLS);
    open.socket.close();
    if (open.socket.readyState !== WebSocket.CLOSED) await once(open.socket, 'close');
  }
  /** Opens, says half of something, and either stays or goes. */
  async #halves() {
    const open = new Set();
    for (let n = 0; !this.#over; n++) {
      const socket = net.connect(this.port, '127.0.0.1');
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket)).on('connect', () => {
        this.counts.halves++;
        socket.write('POST /half HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"id":');
        if (n % 3) setTimeout(() => socket.destroy(), 50);
        else (this.counts.stalled++, setTimeout(() => socket.destroy(), 30_000).unref());
      });
      await sleep(25);
    }
    await sleep(100); // what was opened last was written by now
    open.forEach((socket) => socket.destroy());
  }
}
