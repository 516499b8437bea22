// capture.mjs: plays a session while tcpdump listens, and keeps the capture and the truth side by side.
//
//   node tests/wire/capture.mjs [--port N] FOLDER NAME=SESSION[:deflate|:no-takeover]...
//
// writes FOLDER/NAME.pcap and FOLDER/NAME.json. How the captures beside this file were made: see README.md.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Host } from './host.mjs';
import { SESSIONS } from './sessions.mjs';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A child process that is known to be listening once `ready` shows on its standard error; stop() interrupts it. */
export class Listener {
  static async start(command, args, ready, { seconds = 10, ...options } = {}) {
    const listener = new Listener();
    listener.name = command;
    listener.said = '';
    listener.child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options });
    listener.exited = new Promise((resolve) => {
      listener.child.on('error', (error) => resolve({ error }));
      listener.child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    const heard = new Promise((resolve) =>
      listener.child.stderr.on('data', (data) => {
        listener.said += data;
        if (ready.test(listener.said)) resolve(true);
      }),
    );
    const late = pause(seconds * 1000).then(() => false);
    const good = await Promise.race([heard, late, listener.exited.then(() => false)]);
    if (!good) {
      listener.child.kill('SIGKILL');
      throw new Error(`${command} does not listen: ${listener.said.trim()}`);
    }
    return listener;
  }

  /** Sends the signal and waits; the exit status and signal. */
  async stop(signal = 'SIGINT') {
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    const how = await this.exited;
    clearTimeout(timer);
    return how;
  }
}

export function startTcpdump(port, file) {
  const args = ['-i', 'lo', '-U', '--immediate-mode', '-B', '8192', '-c', '100000', '-w', file];
  if (process.getuid() === 0) args.push('-Z', 'root');
  return Listener.start('tcpdump', [...args, `tcp port ${port}`], /listening on/);
}

/** Plays the session; the truth. `around(host)` may start listeners and gives a function that is called when it is over. */
export async function play(name, { port, deflate, around } = {}) {
  const host = await Host.start({ port, deflate });
  try {
    const done = await around?.(host);
    await SESSIONS[name](host);
    await pause(150); // the last packets
    await done?.();
    return { session: name, deflate: deflate ?? false, port: host.port, events: host.truth, messages: host.messages };
  } finally {
    await host.stop();
  }
}

export function writeTruth(file, { events, messages, ...head }) {
  const start = JSON.stringify(head).slice(0, -1);
  writeFileSync(file, `${start},"events":[\n${events.map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`);
}

export async function capture(folder, name, session, options) {
  const truth = await play(session, {
    ...options,
    around: async (host) => {
      const tcpdump = await startTcpdump(host.port, `${folder}/${name}.pcap`);
      return () => tcpdump.stop();
    },
  });
  writeTruth(`${folder}/${name}.json`, truth);
  return truth;
}

async function main(args) {
  const port = args[0] === '--port' ? Number(args.splice(0, 2)[1]) : 9420;
  const [folder, ...wanted] = args;
  for (const word of wanted) {
    const [, name, session, deflate] = /^([^=]+)=([^:]+):?(.*)$/.exec(word) ?? [];
    if (!SESSIONS[session]) throw new Error(`no session '${session}'; there are: ${Object.keys(SESSIONS).join(' ')}`);
    const truth = await capture(folder, name, session, { port, deflate: deflate === 'deflate' || deflate || false });
    console.log(`${name}: ${truth.events.length} events`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
