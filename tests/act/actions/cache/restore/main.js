// What actions/cache/restore does of what the action asks, on GitHub's own client.
const cache = require("@actions/cache");
const core = require("@actions/core");

async function run() {
  const key = core.getInput("key", { required: true });
  const paths = core.getMultilineInput("path", { required: true });
  const others = core.getMultilineInput("restore-keys");
  core.setOutput("cache-primary-key", key);
  const found = await cache.restoreCache(paths, key, others);
  core.setOutput("cache-matched-key", found ?? "");
  core.setOutput("cache-hit", String(found === key));
  core.info(found ? `Cache restored from key: ${found}` : `Cache not found for ${key}`);
}

run().catch((error) => core.setFailed(error));
