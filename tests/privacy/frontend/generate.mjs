// Types of src/*.graphql, made from the API's schema: a document that does not fit it is an error here, and what the code
// reads that was not selected is one of the type checker.  usage: node generate.mjs SCHEMA

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { codegen } from "@graphql-codegen/core";
import * as operations from "@graphql-codegen/typescript-operations";
import * as documents from "@graphql-codegen/typed-document-node";
import { parse } from "graphql";

const schema = parse(readFileSync(process.argv[2] ?? "../../../schema.graphql", "utf8"));
const found = readdirSync("src").filter((name) => name.endsWith(".graphql")).sort();
const config = {
  enumsAsTypes: true,
  scalars: { DateTime: "string", BigInt: "string", UUID: "string", Duration: "string", JSON: "unknown" },
  strictScalars: true,
  useTypeImports: true,
};
const text = await codegen({
  filename: "src/generated.ts",
  schema,
  documents: found.map((name) => ({ location: `src/${name}`, document: parse(readFileSync(`src/${name}`, "utf8")) })),
  config,
  plugins: [{ operations: {} }, { documents: {} }],
  pluginMap: { operations, documents },
});
// No document names the codes of errors, so they are written here.
const codes = schema.definitions.find(({ name }) => name?.value === "ErrorCode").values.map(({ name }) => `"${name.value}"`);
writeFileSync("src/generated.ts", `${text}\nexport type ErrorCode = ${codes.join(" | ")};\n`);
