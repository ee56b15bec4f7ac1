/** The sum of all samples of a metric in an exposition, over its labels; `label` narrows it: `reason="dead_letter"`. */
export function metricOf(exposition: string, name: string, label = ''): number {
  return exposition
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
