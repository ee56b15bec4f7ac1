/** Says what goes on, with the time that has passed and an estimate of what remains. */
export interface Progress {
  say(line: string): void;
  /** Begins a step of which the length is expected to be this. */
  begin(title: string, expectedS: number): void;
}

/** @param expectedTotalS of all steps together */
export function createProgress(expectedTotalS: number, nowMs: () => number, print: (line: string) => void): Progress {
  const startedMs = nowMs();
  let begunMs = startedMs;
  let currentS = 0;
  let behindS = expectedTotalS;
  const say = (line: string): void => {
    const remainingS = behindS + Math.max(0, currentS - (nowMs() - begunMs) / 1000);
    print(`[${clock((nowMs() - startedMs) / 1000)}, about ${clock(remainingS)} to go] ${line}`);
  };
  return {
    say,
    begin(title, expectedS) {
      begunMs = nowMs();
      currentS = expectedS;
      behindS = Math.max(0, behindS - expectedS);
      say(title);
    },
  };
}

/** Minutes and seconds: `4:07`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
