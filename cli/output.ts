/** The one place that writes to the terminal. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A line of a running service: time, who, what. Goes to stderr. */
export function createLog(who: string): (line: string) => void {
  return (line) => void process.stderr.write(`${new Date().toISOString()} ${who}: ${line}\n`);
}

/** Ends a command with one clear line. */
export function fail(line: string, exitCode: 1 | 2 = 1): never {
  process.stderr.write(`ringside: ${line}\n`);
  process.exit(exitCode);
}

/** How far a long command is. Goes to stderr, so that the output stays what was asked for. */
export function printProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}
