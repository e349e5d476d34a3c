// Holds actions and workflows against GitHub's own parser. Reads from standard input
// {"files": [{"name", "text"}], "repository": "owner/name", "own": {path: text}} and prints what is
// wrong as [{"file", "line", "message"}]. A file is an action or a workflow by its name, as on
// GitHub. `own` has what `uses: owner/name…` may name: the action's and the workflows' texts.
import {readFileSync} from "node:fs";
import {parse} from "yaml";
import {registerLogger, validate} from "@actions/languageservice";
import {isMapping, isSequence, NoOperationTraceWriter, parseWorkflow} from "@actions/workflow-parser";
import {parseAction} from "@actions/workflow-parser/actions/action-parser";
import {TemplateToken} from "@actions/workflow-parser/templates/tokens/template-token";
import {TextDocument} from "vscode-languageserver-textdocument";
import {DiagnosticSeverity} from "vscode-languageserver-types";

const {files, repository, own} = JSON.parse(readFileSync(0, "utf8"));

// The service only logs what it stumbles over, and says then that nothing is wrong.
let stumbled = [];
registerLogger({
  error: message => stumbled.push(message),
  warn: message => stumbled.push(message),
  info: () => {},
  log: () => {},
});

const config = {
  actionsMetadataProvider: {
    async fetchActionMetadata(action) {
      const path = action.path ? `${action.path}/action.yml` : "action.yml";
      const mine = `${action.owner}/${action.name}` === repository;
      if (!mine) return {name: "", description: ""};
      return own[path] === undefined ? undefined : parse(own[path]);
    },
  },
  fileProvider: {
    async getFileContent(file) {
      const mine = file.owner === undefined || `${file.owner}/${file.repository}` === repository;
      const content = mine ? own[file.path.replace(/^(\.|\$)\//, "")] : undefined;
      if (content === undefined) throw new Error(`there is no ${file.path}`);
      return {name: file.path, content};
    },
  },
};

// Where the parser allows no expression, it accepts one that is a constant; act does not.
function forbidden(name, text) {
  const reader = /(^|\/)action\.ya?ml$/.test(name) ? parseAction : parseWorkflow;
  const {value} = reader({name, content: text}, new NoOperationTraceWriter());
  if (!value) return [];
  const document = TextDocument.create(name, "yaml", 1, text);
  const at = position => ({line: position.line - 1, character: position.column - 1});
  const found = [];
  for (const [parent, token, key] of TemplateToken.traverse(value)) {
    if (!token.range || isMapping(token) || isSequence(token)) continue;
    const source = document.getText({start: at(token.range.start), end: at(token.range.end)});
    const allowed = (key || parent || token).definitionInfo?.allowedContext ?? [];
    if (source.includes("${{") && allowed.length === 0) {
      const message = "expressions are not allowed here";
      found.push({file: name, line: token.range.start.line, message});
    }
  }
  return found;
}

async function main() {
  const wrong = [];
  for (const {name, text} of files) {
    stumbled = [];
    const document = TextDocument.create(`file:///${name}`, "yaml", 1, text);
    for (const found of await validate(document, config)) {
      if (found.severity === DiagnosticSeverity.Information) continue;
      wrong.push({file: name, line: found.range.start.line + 1, message: found.message});
    }
    for (const message of stumbled) wrong.push({file: name, line: 1, message});
    wrong.push(...forbidden(name, text));
  }
  process.stdout.write(JSON.stringify(wrong));
}

main();
