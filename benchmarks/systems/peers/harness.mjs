// The twin of ../measures.py, ../client.py and ../recorder.py for Node: the same metrics, measured the same way.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const MARK = "@@";
const WARM_UP = 50, ELSEWHERE = 10_000_000, BATCH = 1000, WARM_PICKUPS = 20;
const SETTLING = 1000, STARTING = 60_000, DRAINING = 150_000, SETTLED = 30_000, LOOK = 5, STOPPING = 5000;

export const plan = JSON.parse(process.argv[3]);
export const require = createRequire(`${plan.options.modules}/`);
export const versionOf = (name) => require(`${plan.options.modules}/${name}/package.json`).version;
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const pg = require("pg");
const now = () => process.hrtime.bigint(); // CLOCK_MONOTONIC, as in Python
const say = (event, facts = {}) => process.stdout.write(`${MARK}${JSON.stringify({ event, ...facts })}\n`);

export const url = urlOf(plan.dsn, plan.database);

function urlOf(server, database) {
  const [scheme, query] = server.split("?");
  return `${scheme.slice(0, scheme.lastIndexOf("/"))}/${database}?${query}`;
}

async function connected(conninfo, use) {
  const client = new pg.Client(conninfo);
  await client.connect();
  try { return await use(client); } finally { await client.end(); }
}

async function fresh() {
  await remove();
  await connected(plan.dsn, async (client) => {
    await client.query(`create database ${plan.database}`);
    await client.query("checkpoint").catch(() => {}); // not everybody may
  });
}

const remove = () => connected(plan.dsn, (client) => client.query(`drop database if exists ${plan.database} with (force)`));

async function tidy() {
  await connected(url, async (client) => { await client.query("vacuum analyze"); await client.query("checkpoint").catch(() => {}); });
}

const ask = (query) => connected(url, async (client) => Number((await client.query(query)).rows[0].count));

export class Recorder {
  constructor(expected) { this.expected = expected; this.runs = new Set(); this.again = 0; this.late = []; this.first = 0n; }

  ready() { say("ready"); }

  hit(i, instant) {
    const t = now();
    if (!this.first) { this.first = t; this.cpu = process.cpuUsage(); }
    if (this.runs.has(i)) { this.again++; return; }
    this.runs.add(i);
    if (instant && instant !== "0") this.late.push(Number(t - BigInt(instant)));
    if (this.runs.size === this.expected) {
      const { user, system } = process.cpuUsage(this.cpu);
      say("all", { first: Number(this.first), last: Number(t), seen: this.runs.size, again: this.again, cpu: (user + system) / 1e6, late: this.late });
    }
  }
}

class Worker {
  constructor(jobs) {
    this.told = []; this.ended = false;
    // Its input ends with this process, which tells it to exit.
    this.child = spawn(process.execPath, [process.argv[1], "worker", process.argv[3], String(jobs)], { stdio: ["pipe", "pipe", openSync(`${plan.folder}/errors.txt`, "a")] });
    createInterface({ input: this.child.stdout }).on("line", (line) => { if (line.startsWith(MARK)) this.told.push(JSON.parse(line.slice(MARK.length))); });
    this.exit = new Promise((done) => this.child.on("exit", () => { this.ended = true; done(); }));
  }

  async wait(event, ms) {
    const end = Date.now() + ms;
    while (Date.now() < end) {
      const found = this.told.findIndex((one) => one.event === event);
      if (found >= 0) return this.told.splice(found, 1)[0];
      if (this.ended) throw new Error("the worker ended");
      await sleep(10);
    }
    throw new Error(`no ${event} from the worker in time`);
  }

  async stop() {
    if (this.ended) return;
    this.child.kill("SIGTERM");
    await Promise.race([this.exit, sleep(STOPPING)]);
    if (!this.ended) { this.child.kill("SIGKILL"); await this.exit; }
  }
}

const figure = (metric, value, unit) => say("figure", { metric, value, unit });
const seconds = (since) => Number(now() - since) / 1e9;
class Refused extends Error {}

async function oneByOne(client, first, jobs, end) {
  for (let i = 0; i < jobs; i++) {
    await client.enqueue(first + i, "0");
    if ((i + 1) % WARM_UP === 0 && Number(now()) > end) return i + 1;
  }
  return jobs;
}

const portion = (first, jobs) => Array.from({ length: jobs }, (_, i) => [first + i, "0"]);

async function withClient(system, use) {
  await fresh();
  await system.install();
  const client = await system.client();
  try { return await use(client); } finally { await client.close(); }
}

async function checkLive(system, jobs) {
  const found = await ask(system.live);
  if (found !== jobs) throw new Refused(`expected ${jobs} stored jobs, found ${found}`);
}

const takers = {
  async enqueue_one(system) {
    const { one, cap } = plan.sizes;
    await withClient(system, async (client) => {
      await oneByOne(client, ELSEWHERE, WARM_UP, Infinity);
      const started = now();
      const done = await oneByOne(client, 0, one, Number(started) + cap * 1e9);
      const taken = seconds(started);
      await checkLive(system, WARM_UP + done);
      figure("enqueue_one", done / taken, "jobs/s");
    });
  },

  async enqueue_many(system) {
    const { many, cap } = plan.sizes;
    await withClient(system, async (client) => {
      await client.enqueueMany(portion(ELSEWHERE, WARM_UP));
      const started = now();
      let done = 0;
      while (done < many && seconds(started) < cap) { await client.enqueueMany(portion(done, BATCH)); done += BATCH; }
      const taken = seconds(started);
      await checkLive(system, WARM_UP + done);
      figure("enqueue_many", done / taken, "jobs/s");
    });
  },

  async drain(system) {
    const jobs = plan.sizes.drain;
    await withClient(system, async (client) => {
      for (let first = 0; first < jobs; first += BATCH) await client.enqueueMany(portion(first, Math.min(BATCH, jobs - first)));
    });
    await tidy();
    const worker = new Worker(jobs);
    try {
      const found = await worker.wait("all", DRAINING);
      const end = Date.now() + SETTLED;
      let left;
      while ((left = await ask(system.live)) > 0) {
        if (Date.now() > end) throw new Refused(`${left} jobs are unfinished long after the last`);
        await sleep(LOOK);
      }
      const taken = (Number(now()) - found.first) / 1e9;
      if (found.again) throw new Refused(`${found.again} jobs ran more than once`);
      figure("drain", jobs / taken, "jobs/s");
      figure("drain_cpu", (found.cpu / jobs) * 1e6, "us/job");
    } finally { await worker.stop(); }
  },

  async pickup(system) {
    const jobs = WARM_PICKUPS + plan.sizes.pickups;
    await withClient(system, async (client) => {
      const worker = new Worker(jobs);
      let found;
      try {
        await worker.wait("ready", STARTING);
        await sleep(SETTLING);
        for (let i = 0; i < jobs; i++) {
          await client.enqueue(i, String(now()));
          await sleep(10 + Math.random() * 10);
        }
        found = await worker.wait("all", STARTING);
      } finally { await worker.stop(); }
      if (found.again) throw new Refused(`${found.again} jobs ran more than once`);
      const late = found.late.slice(WARM_PICKUPS).map((nanos) => nanos / 1e6).sort((a, b) => a - b);
      for (const [part, name] of [[0.5, "p50"], [0.95, "p95"], [0.99, "p99"]])
        figure(`pickup_${name}`, late[Math.min(late.length - 1, Math.floor(part * late.length))], "ms");
    });
  },
};

// system: {version, config, live, install(), client() -> {enqueue, enqueueMany, close}, work(recorder)}
export async function main(system) {
  process.stdin.on("end", () => process.exit(1)).resume();
  process.on("SIGTERM", () => process.exit(0));
  if (process.argv[2] === "worker") return system.work(new Recorder(Number(process.argv[4])));
  let told = ["done"];
  try {
    say("system", { version: system.version, config: system.config });
    for (const metric of plan.metrics) if (metric in takers) await takers[metric](system);
  } catch (error) {
    told = ["error", { text: String(error), refused: error instanceof Refused }];
  }
  await remove(); // before it is told, as the parent stops who has told
  say(...told);
  process.exit(0);
}
