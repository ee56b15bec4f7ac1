import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { balanceLedger, type HeldLedger, ledgerStateOf, type ReportedLedger, sumOf } from '#core/ledger.ts';

const count = fc.nat(1_000);
const reports: fc.Arbitrary<ReportedLedger> = fc.record({
  ...{ accepted: count, recorded: count },
  dropped: fc.dictionary(fc.constantFrom('spool_write_failed', 'spool_full'), count),
});
const holdings: fc.Arbitrary<HeldLedger> = fc.record({
  ...{ stored: count, interrupted: count, deadLetters: count, archived: count, expired: count },
});
const states = fc.constantFrom('live' as const, 'stopped' as const, 'vanished' as const);

test('both equations hold, and no figure is negative, whatever the sides say, unless it is called a gap', () => {
  fc.assert(
    fc.property(fc.option(reports), holdings, states, fc.boolean(), (reported, held, state, settled) => {
      const ledger = balanceLedger(reported, held, state, settled);
      const { stored, spooled, archived, expired, dropped } = ledger;
      expect(ledger.recorded).toBe(stored + spooled + archived + expired + sumOf(dropped));
      const surplus = Math.min(0, ledger.missing);
      expect(ledger.accepted - surplus).toBe(ledger.recorded + ledger.inFlight + ledger.interrupted);
      for (const figure of [ledger.inFlight, stored, spooled, archived, expired]) {
        expect(figure).toBeGreaterThanOrEqual(0);
      }
      expect(ledger.balance === 'gap').toBe(ledger.missing !== 0);
    }),
  );
});

describe('a gateway of ten', () => {
  const reported: ReportedLedger = { accepted: 10, recorded: 8, dropped: { spool_write_failed: 1 } };
  const held: HeldLedger = { stored: 6, interrupted: 0, deadLetters: 1, archived: 0, expired: 0 };

  test('that lives has one in flight and one spooled', () => {
    expect(balanceLedger(reported, held, 'live', false)).toEqual({
      ...{ accepted: 10, recorded: 9, inFlight: 1, interrupted: 0, stored: 6, spooled: 1, archived: 0, expired: 0 },
      ...{ dropped: { spool_write_failed: 1, dead_letter: 1 }, balance: 'open', missing: 0 },
    });
  });

  test('that has died balances once both have come', () => {
    const all = { ...held, stored: 7, interrupted: 1 };
    expect(balanceLedger(reported, all, 'vanished', true)).toMatchObject({
      inFlight: 0,
      spooled: 0,
      balance: 'balanced',
    });
  });

  test('that has died and whose spools are all stored lacks two', () => {
    expect(balanceLedger(reported, held, 'vanished', true)).toMatchObject({ balance: 'gap', missing: 2 });
  });

  test('that stored more than it last reported recorded and accepted more', () => {
    const more = { ...held, stored: 12 };
    expect(balanceLedger(reported, more, 'vanished', true)).toMatchObject({
      ...{ accepted: 14, recorded: 14, balance: 'balanced' },
    });
    expect(balanceLedger(reported, more, 'stopped', true)).toMatchObject({ balance: 'gap', missing: -4 });
  });

  test('of an earlier release says nothing of its side', () => {
    expect(balanceLedger(null, held, 'live', false)).toMatchObject({ accepted: 7, balance: 'unreported' });
  });

  test('whose rows were archived and expired has them no more', () => {
    const gone = { ...held, stored: 1, archived: 4, expired: 1 };
    expect(balanceLedger(reported, gone, 'live', false)).toMatchObject({
      stored: 1,
      archived: 4,
      expired: 1,
      recorded: 9,
    });
  });
});

test('a gateway is live as long as it reports', () => {
  expect(ledgerStateOf(null)).toBe('vanished');
  expect(ledgerStateOf({ stoppedAt: null, silentMs: 10_000 })).toBe('live');
  expect(ledgerStateOf({ stoppedAt: null, silentMs: 10_001 })).toBe('vanished');
  expect(ledgerStateOf({ stoppedAt: new Date(0), silentMs: 0 })).toBe('stopped');
});
