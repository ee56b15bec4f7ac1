import type { Gate } from './gate.ts';
import { guardrails } from './guardrail-gates.ts';
import { heavyUserUnits, independentUnits, rareEvents, unequalArms, wholeDefinition } from './no-effect.ts';
import { returningUnits } from './phase-gates.ts';
import { power } from './power.ts';
import { ratePower } from './rate-power.ts';
import { rollback } from './rollback.ts';
import { splitDetection, splitHeavyUsers } from './split-gates.ts';

export const GATES: readonly Gate[] = [
  independentUnits,
  unequalArms,
  heavyUserUnits,
  rareEvents,
  returningUnits,
  wholeDefinition,
  splitHeavyUsers,
  splitDetection,
  power,
  ratePower,
  guardrails,
  rollback,
];
