// For Node what measures/metrics.py and processes/ are for Python: the same metrics, measured the same way.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const MARK = "@@";
const WARM_UP = 50, WARM_UP_NUMBER = 10_000_000, BATCH = 1000, WARM_PICKUPS = 20;
const IDLE = 1000, START_TIMEOUT = 60_000, DRAIN_TIMEOUT = 150_000, COMMIT_TIMEOUT = 30_000, POLL = 5, STOP_TIMEOUT = 5000;

export const parameters = JSON.parse(process.argv[3]);
export const require = createRequire(`${parameters.options.modules}/`);
export const versionOf = (name) => require(`${parameters.options.modules}/${name}/package.json`).version;
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const pg = require("pg");
const now = () => process.hrtime.bigint(); // CLOCK_MONOTONIC, as in Python
const send = (event, facts = {}) => process.stdout.write(`${MARK}${JSON.stringify({ event, ...facts })}\n`);

export const url = urlOf(parameters.dsn, parameters.database);

function urlOf(server, database) {
  const [scheme, query] = server.split("?");
  return `${scheme.slice(0, scheme.lastIndexOf("/"))}/${database}?${query}`;
}

async function connected(conninfo, use) {
  const client = new pg.Client(conninfo);
  await client.connect();
  try { return await use(client); } finally { await client.end(); }
}

async function recreate() {
  await drop();
  await connected(parameters.dsn, async (client) => {
    await client.query(`create database ${parameters.database}`);
    await client.query("checkpoint").catch(() => {}); // needs a superuser or pg_checkpoint
  });
}

const drop = () => connected(parameters.dsn, (client) => client.query(`drop database if exists ${parameters.database} with (force)`));

async function analyze() {
  await connected(url, async (client) => { await client.query("vacuum analyze"); await client.query("checkpoint").catch(() => {}); });
}

const queryNumber = (query) => connected(url, async (client) => Number((await client.query(query)).rows[0].count));

export class Recorder {
  constructor(expected) { this.expected = expected; this.runs = new Set(); this.repeated = 0; this.latencies = []; this.first = 0n; }

  ready() { send("ready"); }

  record(i, since) {
    const t = now();
    if (!this.first) { this.first = t; this.cpu = process.cpuUsage(); }
    if (this.runs.has(i)) { this.repeated++; return; }
    this.runs.add(i);
    if (since && since !== "0") this.latencies.push(Number(t - BigInt(since)));
    if (this.runs.size === this.expected) {
      const { user, system } = process.cpuUsage(this.cpu);
      send("finished", { first: Number(this.first), last: Number(t), ran: this.runs.size, repeated: this.repeated, cpu: (user + system) / 1e6, latencies: this.latencies });
    }
  }
}

class Worker {
  constructor(jobs) {
    this.messages = []; this.ended = false;
    // It exits when its standard input is closed, which happens when this process ends.
    this.child = spawn(process.execPath, [process.argv[1], "worker", process.argv[3], String(jobs)], { stdio: ["pipe", "pipe", openSync(`${parameters.folder}/errors.txt`, "a")] });
    createInterface({ input: this.child.stdout }).on("line", (line) => { if (line.startsWith(MARK)) this.messages.push(JSON.parse(line.slice(MARK.length))); });
    this.exit = new Promise((done) => this.child.on("exit", () => { this.ended = true; done(); }));
  }

  async wait(event, ms) {
    const end = Date.now() + ms;
    while (Date.now() < end) {
      const found = this.messages.findIndex((one) => one.event === event);
      if (found >= 0) return this.messages.splice(found, 1)[0];
      if (this.ended) throw new Error("the worker ended");
      await sleep(10);
    }
    throw new Error(`no ${event} from the worker in time`);
  }

  async stop() {
    if (this.ended) return;
    this.child.kill("SIGTERM");
    await Promise.race([this.exit, sleep(STOP_TIMEOUT)]);
    if (!this.ended) { this.child.kill("SIGKILL"); await this.exit; }
  }
}

const figure = (metric, value, unit) => send("figure", { metric, value, unit });
const seconds = (since) => Number(now() - since) / 1e9;
class InvalidResult extends Error {}

async function oneByOne(client, first, jobs, end) {
  for (let i = 0; i < jobs; i++) {
    await client.enqueue(first + i, "0");
    if ((i + 1) % WARM_UP === 0 && Number(now()) > end) return i + 1;
  }
  return jobs;
}

const batch = (first, jobs) => Array.from({ length: jobs }, (_, i) => [first + i, "0"]);

async function withClient(system, use) {
  await recreate();
  await system.install();
  const client = await system.client();
  try { return await use(client); } finally { await client.close(); }
}

async function checkLive(system, jobs) {
  const found = await queryNumber(system.live);
  if (found !== jobs) throw new InvalidResult(`expected ${jobs} stored jobs, found ${found}`);
}

const metrics = {
  async enqueue_one(system) {
    const { one, time_limit } = parameters.sizes;
    await withClient(system, async (client) => {
      await oneByOne(client, WARM_UP_NUMBER, WARM_UP, Infinity);
      const started = now();
      const done = await oneByOne(client, 0, one, Number(started) + time_limit * 1e9);
      const taken = seconds(started);
      await checkLive(system, WARM_UP + done);
      figure("enqueue_one", done / taken, "jobs/s");
    });
  },

  async enqueue_many(system) {
    const { many, time_limit } = parameters.sizes;
    await withClient(system, async (client) => {
      await client.enqueueMany(batch(WARM_UP_NUMBER, WARM_UP));
      const started = now();
      let done = 0;
      while (done < many && seconds(started) < time_limit) { await client.enqueueMany(batch(done, BATCH)); done += BATCH; }
      const taken = seconds(started);
      await checkLive(system, WARM_UP + done);
      figure("enqueue_many", done / taken, "jobs/s");
    });
  },

  async drain(system) {
    const jobs = parameters.sizes.drain;
    await withClient(system, async (client) => {
      for (let first = 0; first < jobs; first += BATCH) await client.enqueueMany(batch(first, Math.min(BATCH, jobs - first)));
    });
    await analyze();
    const worker = new Worker(jobs);
    try {
      const found = await worker.wait("finished", DRAIN_TIMEOUT);
      const end = Date.now() + COMMIT_TIMEOUT;
      let left;
      while ((left = await queryNumber(system.live)) > 0) {
        if (Date.now() > end) throw new InvalidResult(`${left} jobs are unfinished long after the last handler`);
        await sleep(POLL);
      }
      const taken = (Number(now()) - found.first) / 1e9;
      if (found.repeated) throw new InvalidResult(`${found.repeated} jobs ran more than once`);
      figure("drain", jobs / taken, "jobs/s");
      figure("drain_cpu", (found.cpu / jobs) * 1e6, "us/job");
    } finally { await worker.stop(); }
  },

  async pickup(system) {
    const jobs = WARM_PICKUPS + parameters.sizes.pickups;
    await withClient(system, async (client) => {
      const worker = new Worker(jobs);
      let found;
      try {
        await worker.wait("ready", START_TIMEOUT);
        await sleep(IDLE);
        for (let i = 0; i < jobs; i++) {
          await client.enqueue(i, String(now()));
          await sleep(10 + Math.random() * 10);
        }
        found = await worker.wait("finished", START_TIMEOUT);
      } finally { await worker.stop(); }
      if (found.repeated) throw new InvalidResult(`${found.repeated} jobs ran more than once`);
      const latencies = found.latencies.slice(WARM_PICKUPS).map((nanos) => nanos / 1e6).sort((a, b) => a - b);
      for (const [part, name] of [[0.5, "p50"], [0.95, "p95"], [0.99, "p99"]])
        figure(`pickup_${name}`, latencies[Math.min(latencies.length - 1, Math.floor(part * latencies.length))], "ms");
    });
  },
};

// system: {version, config, live, install(), client() -> {enqueue, enqueueMany, close}, work(recorder)}
export async function main(system) {
  process.stdin.on("end", () => process.exit(1)).resume();
  process.on("SIGTERM", () => process.exit(0));
  if (process.argv[2] === "worker") return system.work(new Recorder(Number(process.argv[4])));
  let outcome = ["done"];
  try {
    send("system", { version: system.version, config: system.config });
    for (const metric of parameters.metrics) if (metric in metrics) await metrics[metric](system);
  } catch (error) {
    outcome = ["error", { text: String(error), invalid: error instanceof InvalidResult }];
  }
  await drop(); // before the message, because the parent then stops this process
  send(...outcome);
  process.exit(0);
}
