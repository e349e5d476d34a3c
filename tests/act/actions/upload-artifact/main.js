// What actions/upload-artifact does of what the documentation asks, on GitHub's own client.
const fs = require("node:fs");
const path = require("node:path");
const { DefaultArtifactClient } = require("@actions/artifact");
const core = require("@actions/core");

function files(start) {
  if (!fs.existsSync(start)) return [];
  if (!fs.statSync(start).isDirectory()) return [start];
  return fs.readdirSync(start).flatMap((name) => files(path.join(start, name)));
}

// The directory that the artifact's paths begin after: of one path itself, else what is common.
function root(starts) {
  if (starts.length === 1) return fs.statSync(starts[0]).isDirectory() ? starts[0] : path.dirname(starts[0]);
  const parts = starts.map((start) => start.split(path.sep));
  const end = parts[0].findIndex((part, at) => parts.some((other) => other[at] !== part));
  return parts[0].slice(0, end < 0 ? undefined : end).join(path.sep) || path.sep;
}

async function run() {
  const name = core.getInput("name") || "artifact";
  const starts = core.getMultilineInput("path", { required: true }).flatMap((given) => {
    const star = given.indexOf("*");
    if (star < 0) return [path.resolve(given)];
    const [directory, pattern] = [path.dirname(given), path.basename(given)];
    const matches = new RegExp(`^${pattern.split("*").map((t) => t.replace(/[.+]/g, "\\$&")).join(".*")}$`);
    return fs.readdirSync(directory).filter((n) => matches.test(n)).map((n) => path.resolve(directory, n));
  });
  const found = starts.filter((start) => fs.existsSync(start));
  const list = found.flatMap(files);
  if (list.length === 0) {
    const message = `No files were found with the provided path: ${core.getInput("path")}. No artifacts will be uploaded.`;
    const otherwise = core.getInput("if-no-files-found") || "warn";
    if (otherwise === "error") core.setFailed(message);
    else if (otherwise === "warn") core.warning(message);
    return;
  }
  const { id, size } = await new DefaultArtifactClient().uploadArtifact(name, list, root(found));
  core.info(`Artifact ${name} has ${list.length} files, ${size} bytes`);
  core.setOutput("artifact-id", id);
}

run().catch((error) => core.setFailed(error));
