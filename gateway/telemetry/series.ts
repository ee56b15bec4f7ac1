import { MAX_SERIES, NONE, OTHER_SERIES, type SeriesLabels, seriesKey } from './layout.ts';

/** Hands out series numbers on the main thread. A number is never given back: counters must not change their meaning. */
export interface SeriesRegistry {
  /** The series of these labels, `_other` once the cap is reached. `groupId` ties it to the ledger, whatever the group is called. */
  numberOf(labels: SeriesLabels, groupId?: string): number;
  /** By number; undefined where a series belongs to no group. */
  readonly groupIds: readonly (string | undefined)[];
  /** By number. */
  readonly labels: readonly SeriesLabels[];
}

export function createSeriesRegistry(maxSeries = MAX_SERIES): SeriesRegistry {
  const numbers = new Map<string, number>();
  const labels: SeriesLabels[] = [{ organization: '_other', group: '_other', variant: '_other' }];
  const groupIds: (string | undefined)[] = [undefined];
  const registry: SeriesRegistry = {
    labels,
    groupIds,
    numberOf(wanted, groupId) {
      const key = seriesKey(wanted);
      const known = numbers.get(key);
      if (known !== undefined) return known;
      if (labels.length >= maxSeries) return OTHER_SERIES;
      numbers.set(key, labels.length);
      labels.push({ ...wanted });
      groupIds.push(groupId);
      return labels.length - 1;
    },
  };
  registry.numberOf({ organization: NONE, group: NONE, variant: NONE });
  return registry;
}

/** The series of requests that ended before their key was known; the first one registered. */
export const ANONYMOUS_SERIES = 1;
