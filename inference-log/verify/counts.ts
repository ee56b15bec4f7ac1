/** Counts by gateway and group. */
export interface Counts {
  add(gatewayId: string, groupId: string, count: number): void;
  of(gatewayId: string, groupId: string): number;
}

export function createCounts(): Counts {
  const counts = new Map<string, number>();
  const of = (gatewayId: string, groupId: string) => counts.get(`${gatewayId} ${groupId}`) ?? 0;
  return {
    add: (gatewayId, groupId, count) => void counts.set(`${gatewayId} ${groupId}`, of(gatewayId, groupId) + count),
    of,
  };
}
