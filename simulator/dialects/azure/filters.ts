const CATEGORIES = ['hate', 'self_harm', 'sexual', 'violence'] as const;

/** What the filters say of a text; `filtered`: the one that stopped it. */
export function filterResults(filtered: (typeof CATEGORIES)[number] | null): Record<string, unknown> {
  return Object.fromEntries(
    CATEGORIES.map((name) => [
      name,
      name === filtered ? { filtered: true, severity: 'medium' } : { filtered: false, severity: 'safe' },
    ]),
  );
}
