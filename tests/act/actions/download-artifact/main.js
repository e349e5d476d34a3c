// What actions/download-artifact does of what the documentation asks, on GitHub's own client.
const path = require("node:path");
const { DefaultArtifactClient } = require("@actions/artifact");
const core = require("@actions/core");

async function run() {
  const client = new DefaultArtifactClient();
  const name = core.getInput("name");
  const pattern = core.getInput("pattern");
  const merged = name !== "" || core.getInput("merge-multiple") === "true";
  const target = path.resolve(core.getInput("path") || ".");
  const matches = new RegExp(`^${pattern.split("*").join(".*")}$`);
  const { artifacts } = await client.listArtifacts({ latest: true });
  const wanted = artifacts.filter((one) => (name ? one.name === name : matches.test(one.name)));
  if (name && wanted.length === 0) throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}`);
  for (const { id, name: one } of wanted) {
    await client.downloadArtifact(id, { path: merged ? target : path.join(target, one) });
    core.info(`Artifact ${one} was downloaded`);
  }
  core.setOutput("download-path", target);
}

run().catch((error) => core.setFailed(error));
