// graphile-worker with its defaults and ten slots, or with the preset that its documentation recommends for speed:
// a local queue, and completion in batches.
import { main, parameters, require, sleep, url, versionOf } from "./harness.mjs";
const { Logger, makeWorkerUtils, run } = require("graphile-worker");

const tuned = parameters.options.tuned;
const concurrency = tuned ? 24 : 10, maxPoolSize = concurrency + 1, localQueue = 500, pollInterval = 2000, starting = 500;
const logger = new Logger(() => () => {});
const preset = tuned ? { worker: { localQueue: { size: localQueue }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } } : {};

await main({
  version: versionOf("graphile-worker"),
  config: { node: process.version, concurrency, maxPoolSize, pollInterval, ...(tuned ? { localQueue, completeJobBatchDelay: 0 } : {}) },
  live: "select count(*) from graphile_worker._private_jobs",

  async install() {
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    await utils.migrate();
    await utils.release();
  },

  async client() {
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    return {
      enqueue: (i, t) => utils.addJob("noop", { i, t }),
      enqueueMany: (jobs) => utils.addJobs(jobs.map(([i, t]) => ({ identifier: "noop", payload: { i, t } }))),
      close: () => utils.release(),
    };
  },

  async work(recorder) {
    await run({
      connectionString: url, concurrency, noHandleSignals: true, pollInterval, logger, maxPoolSize, preset,
      taskList: { noop: async ({ i, t }) => { recorder.record(i, t); } },
    });
    await sleep(starting); // until it listens, which graphile-worker does not report
    recorder.ready();
  },
});
