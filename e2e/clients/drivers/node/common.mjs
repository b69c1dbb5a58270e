// What both Node drivers share: the cases to run, one tool that really runs, one line of report for each case.
// E2E_CASES is a JSON array of {name, prompt, final}.
import { execSync } from 'node:child_process';

export const MODEL = process.env.E2E_MODEL ?? 'sim';
export const SYSTEM = 'You are a careful worker. Use the tools that you have, then say what you did.';
export const PARAMETERS = {
  type: 'object',
  properties: { command: { type: 'string', description: 'the command line' } },
  required: ['command'],
  additionalProperties: false,
};

class Case {
  constructor({ name, prompt }) {
    Object.assign(this, { name, prompt, tools: 0 });
  }
  runShell({ command }) {
    this.tools++;
    return execSync(command, { encoding: 'utf8', timeout: 30_000 });
  }
  report(final, chunks = 0) {
    console.log(JSON.stringify({ case: this.name, final: final ?? '', chunks, tools: this.tools }));
  }
}

export async function main(runners) {
  for (const raw of JSON.parse(process.env.E2E_CASES)) {
    if (!runners[raw.name]) throw new Error(`driver has no case ${raw.name}`);
    await runners[raw.name](new Case(raw));
  }
}
