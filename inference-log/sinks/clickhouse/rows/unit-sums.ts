import { type Fragment, name, sql } from '../statement.ts';

/** Adds up without wrapping round: a unit's sum is within 128 bits, squares and products within 256. */
export function unitSum(column: string): Fragment {
  return sql`sum(toInt128(${name(column)}))`;
}

/**
 * The columns of `FlatSums` over units with `s` and `n`, which are of 128 bits, where `n` is not 0. As text: what is rounded is the
 * result alone. @param prefix of the columns' names
 */
export function flatSums(s = 's', n = 'n', prefix = ''): Fragment {
  const [sum, count] = [sql`toInt256(${name(s)})`, sql`toInt256(${name(n)})`];
  const of = (value: Fragment, as: string) =>
    sql`toString(sumIf(${value}, ${name(n)} > 0)) AS ${name(`${prefix}${as}`)}`;
  return sql`toString(countIf(${name(n)} > 0)) AS ${name(`${prefix}units`)}, ${of(count, 'count')},
    ${of(sql`${count} * ${count}`, 'countSquares')}, ${of(sum, 'sum')}, ${of(sql`${sum} * ${sum}`, 'sumSquares')},
    ${of(sql`${sum} * ${count}`, 'products')}`;
}
