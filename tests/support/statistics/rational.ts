/** Exact fractions: sums, products and quotients of doubles without any rounding. */
export class Rational {
  readonly #top: bigint;
  readonly #bottom: bigint;

  private constructor(top: bigint, bottom: bigint) {
    this.#top = bottom < 0n ? -top : top;
    this.#bottom = bottom < 0n ? -bottom : bottom;
  }

  /** Exactly this double. */
  static of(value: number): Rational {
    let bottom = 1n;
    let scaled = value;
    while (!Number.isInteger(scaled)) {
      scaled *= 2;
      bottom *= 2n;
    }
    return new Rational(BigInt(scaled), bottom);
  }

  plus({ top, bottom }: Rational): Rational {
    return new Rational(this.#top * bottom + top * this.#bottom, this.#bottom * bottom);
  }

  minus({ top, bottom }: Rational): Rational {
    return new Rational(this.#top * bottom - top * this.#bottom, this.#bottom * bottom);
  }

  times({ top, bottom }: Rational): Rational {
    return new Rational(this.#top * top, this.#bottom * bottom);
  }

  over({ top, bottom }: Rational): Rational {
    return new Rational(this.#top * bottom, this.#bottom * top);
  }

  get top(): bigint {
    return this.#top;
  }

  get bottom(): bigint {
    return this.#bottom;
  }

  /** To about 60 bits. */
  toNumber(): number {
    if (this.#top === 0n) return 0;
    const negative = this.#top < 0n;
    const top = negative ? -this.#top : this.#top;
    const shift = BigInt(60 - (top.toString(2).length - this.#bottom.toString(2).length));
    const quotient = shift >= 0n ? (top << shift) / this.#bottom : top / (this.#bottom << -shift);
    return (negative ? -1 : 1) * Number(quotient) * 2 ** -Number(shift);
  }
}
