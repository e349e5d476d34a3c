// What actions/cache/save does of what the action asks, on GitHub's own client.
const cache = require("@actions/cache");
const core = require("@actions/core");

async function run() {
  const key = core.getInput("key", { required: true });
  const paths = core.getMultilineInput("path", { required: true });
  if ((await cache.saveCache(paths, key)) === -1) core.warning("Cache save failed.");
  else core.info(`Cache saved with key: ${key}`);
}

run().catch((error) => core.setFailed(error));
