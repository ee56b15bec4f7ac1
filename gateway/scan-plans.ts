import type { ScanPlan } from '#core/body-scan.ts';
import type { Ingress } from '#translation/dialects/ingress.ts';
import { INGRESSES } from '#translation/dialects/routes.ts';
import { ADAPTERS } from './providers/registry.ts';

/** What each dialect's bodies are scanned for: its own keys, and those by which some provider that speaks it would route by itself. */
export function planScans(): ReadonlyMap<Ingress, ScanPlan> {
  const adapters = Object.values(ADAPTERS);
  return new Map(
    INGRESSES.map((ingress) => {
      const refused = adapters.flatMap(({ natives }) => natives[ingress.name]?.refusedKeys ?? []);
      return [ingress, ingress.planRequest([...new Set(refused)])];
    }),
  );
}
