/** P10: from the start of the api's process to its first acknowledged send, beside a Node process that does nothing. */
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { cpuBetween, readCpu } from './cpu.ts';
import { type Figure, figureOf, type Sample, valueAtMost } from './figure.ts';
import { wait } from './generate/load.ts';
import { keyMaker, sendBody, TEXT } from './generate/operations.ts';
import { nowNs } from './generate/pace.ts';
import type { Rig } from './rig.ts';
import { spawnRoom } from './room.ts';
import { byTurns, type Pace } from './rounds.ts';

const LANE = 'p10';
const USER = 'starter';
const START_MS = 30_000;

export async function* p10(rig: Rig, pace: Pace): AsyncGenerator<Figure> {
  const first = await rig.startApi();
  await rig.createLanes(first.port, [{ id: LANE, members: [USER] }]).finally(() => first.stop());
  const results = await byTurns({ ...pace, rounds: Math.max(pace.rounds, 5) }, nothing, () => coldStart(rig));
  const goals = { target: valueAtMost(1), stretch: valueAtMost(0.6) };
  const notes = ['the streams are there, the conversation is loaded from its lane; limit: node -e 0'];
  yield figureOf(
    { id: 'P10', what: "the api's start to its first acknowledged send", mode: rig.mode, unit: 's', ...goals, notes },
    results.ours,
    results.limit,
  );
}

async function nothing(): Promise<Sample> {
  const startedNs = nowNs();
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return { value: (nowNs() - startedNs) / 1e9 };
}

async function coldStart(rig: Rig): Promise<Sample> {
  const { child, room, startedNs } = await spawnRoom(rig.roomOptions('api'));
  const pids = {
    api: room.pid,
    'nats-server': rig.servers.nats.pid,
    mongod: rig.servers.mongo.pid,
    bench: process.pid,
  };
  const from = { ...readCpu(pids), atNs: startedNs };
  const token = rig.tokenOf(USER);
  const body = sendBody(LANE, keyMaker()(), TEXT);
  try {
    let answer = '';
    while (!answer.includes('"accepted":{')) {
      if (child.exitCode !== null || nowNs() - startedNs > START_MS * 1e6)
        throw new Error(`no acknowledged send after ${START_MS / 1000} s: ${answer.slice(0, 400)}`);
      answer = await post(room.port, token, body).catch(async () => {
        await wait(2);
        return '';
      });
    }
    const value = (nowNs() - startedNs) / 1e9;
    return { value, ops: 1, cpu: cpuBetween(from, readCpu(pids)) };
  } finally {
    await room.stop();
  }
}

function post(port: number, token: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, connection: 'close' };
    const sent = request({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(text));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
