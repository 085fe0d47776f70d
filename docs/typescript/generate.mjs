// Validates docs/asyncapi.yaml with AsyncAPI's own parser, and writes the TypeScript types of the
// records (events.d.ts) and of the HTTP API (api.d.ts). scripts/contract runs it.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Parser } from "@asyncapi/parser";
import { load } from "js-yaml";
import openapiTS, { astToString } from "openapi-typescript";

const docs = process.argv[2];
/** The type of a channel's records. */
const unions = { "user.events": "EventRecord", "user.state": "StateRecord" };

const asyncapi = await readFile(join(docs, "asyncapi.yaml"), "utf8");
await validate(asyncapi, "asyncapi.yaml");
// The guide shows the document of a consumer, which refers to this one.
const guide = await readFile(join(docs, "EVENTS.md"), "utf8");
const [before, shown] = guide.split(/```yaml\n(?=asyncapi:)/);
await validate(shown.split("```")[0], "EVENTS.md", before.split("\n").length);

await write("events.d.ts", "docs/asyncapi.yaml", recordTypes(load(asyncapi)));
await write("api.d.ts", "docs/openapi.json", JSON.parse(await readFile(join(docs, "openapi.json"), "utf8")));

/** Exits if the parser finds an error or a warning. */
async function validate(text, name, linesBefore = 0) {
  const { document, diagnostics } = await new Parser().parse(text, { source: join(docs, name) });
  const [error, warning] = [0, 1];
  const found = diagnostics.filter(({ severity }) => severity === error || severity === warning);
  for (const { message, path, range } of found) {
    console.error(`docs/${name}:${linesBefore + range.start.line + 1}: ${message} (${path.join("/")})`);
  }
  if (found.length > 0 || !document) process.exit(1);
}

/**
 * Returns an OpenAPI document whose schemas are those of the records: an object with the headers,
 * the key and the value, so that `ce_type` tells the type of the value.
 */
function recordTypes({ channels, components }) {
  const schemas = { ...components.schemas };
  const key = components.messageBindings.userKey.kafka.key;
  for (const [channel, union] of Object.entries(unions)) {
    const names = Object.keys(channels[channel].messages);
    const records = names.map((name) => {
      const { title, description, headers, payload } = components.messages[name];
      const record = { type: "object", properties: { key, value: payload }, required: ["key", "value"] };
      schemas[`${title}Record`] = { description, allOf: [headers, record] };
      return { $ref: `#/components/schemas/${title}Record` };
    });
    schemas[union] = { description: `A record of the topic \`${channel}\`.`, anyOf: records };
  }
  return { openapi: "3.1.0", info: { title: "records", version: "1" }, paths: {}, components: { schemas } };
}

async function write(name, source, openapi) {
  const nodes = await openapiTS(openapi, { rootTypes: true, rootTypesNoSchemaPrefix: true, silent: true });
  // A document without paths has empty types, which say nothing.
  const text = astToString(nodes).replace(/^export type \S+ = Record<string, never>;\n/gm, "");
  await writeFile(join(docs, "typescript", name), `// Generated from ${source} by scripts/contract.\n\n${text}`);
}
