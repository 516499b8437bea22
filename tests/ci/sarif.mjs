// usage: node sarif.mjs FILE: validates a SARIF log against the published schema (of the package @microsoft/jest-sarif).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(new URL("../package.json", import.meta.url));
const Ajv = require("ajv-draft-04");
const addFormats = require("ajv-formats");
const schema = JSON.parse(readFileSync(new URL(
  "../node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json", import.meta.url)));
const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
addFormats(ajv);
const valid = ajv.compile(schema);
const log = JSON.parse(readFileSync(process.argv[2]));
if (!valid(log)) {
  console.log(valid.errors.slice(0, 5).map((e) => `${e.instancePath} ${e.message}`).join("\n"));
  process.exit(1);
}
const rules = log.runs[0].tool.driver.rules;
for (const r of log.runs[0].results) // what the schema cannot say (section 3.27.6)
  if (rules[r.ruleIndex].id !== r.ruleId) process.exit(1);
