;; The first unescaped quote in the bytes from address 0, 64 bytes a step. The idea of finding escaped bytes with carries of
;; integer arithmetic on bit masks is from G. Langdale and D. Lemire, "Parsing Gigabytes of JSON per Second", VLDB Journal 28,
;; 2019, section 3.1.1; the formulas below are ours.
;;
;; skip(length) returns the quote's address; if that is `length` or more, none was found, and the caller goes on reading at
;; the address returned: `length`, or `length + 1` if the last backslash escapes the byte behind `length` (this holds for
;; multiples of 64; of other lengths the bytes behind them, left from earlier calls, may be what was found).
(module
  (memory (export "memory") 1)
  (func (export "skip") (param $length i32) (result i32)
    (local $at i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $backslashes i64) ;; those that are not escaped by the block before
    (local $quotes i64)
    (local $escaped i64)     ;; bytes behind a run of backslashes of odd length
    (local $carry i64)       ;; 1: the first byte of this block is escaped
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $at) (local.get $length)))
        (local.set $a (v128.load (local.get $at)))
        (local.set $b (v128.load offset=16 (local.get $at)))
        (local.set $c (v128.load offset=32 (local.get $at)))
        (local.set $d (v128.load offset=48 (local.get $at)))
        (local.set $quotes
          (i64.or
            (i64.or
              (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (v128.const i64x2 0x2222222222222222 0x2222222222222222))))
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (v128.const i64x2 0x2222222222222222 0x2222222222222222)))) (i64.const 16)))
            (i64.or
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (v128.const i64x2 0x2222222222222222 0x2222222222222222)))) (i64.const 32))
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (v128.const i64x2 0x2222222222222222 0x2222222222222222)))) (i64.const 48)))))
        (local.set $backslashes
          (i64.or
            (i64.or
              (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (v128.const i64x2 0x5c5c5c5c5c5c5c5c 0x5c5c5c5c5c5c5c5c))))
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (v128.const i64x2 0x5c5c5c5c5c5c5c5c 0x5c5c5c5c5c5c5c5c)))) (i64.const 16)))
            (i64.or
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (v128.const i64x2 0x5c5c5c5c5c5c5c5c 0x5c5c5c5c5c5c5c5c)))) (i64.const 32))
              (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (v128.const i64x2 0x5c5c5c5c5c5c5c5c 0x5c5c5c5c5c5c5c5c)))) (i64.const 48)))))
        ;; A backslash that is escaped itself begins no run.
        (local.set $backslashes (i64.and (local.get $backslashes) (i64.xor (local.get $carry) (i64.const -1))))
        ;; Adding 1 to the start of a run turns its bits into one bit right behind it. Done for runs that start at even bits:
        ;;   behind even = (backslashes + (starts & EVEN)) & ~backslashes,  starts = backslashes & ~(backslashes << 1)
        ;; A run is of odd length if the bit behind it is odd after an even start or even after an odd start:
        ;;   escaped = behind any run & (behind even ^ EVEN),               behind any run = (backslashes << 1) & ~backslashes
        (local.set $escaped
          (i64.and
            (i64.and
              (i64.shl (local.get $backslashes) (i64.const 1))
              (i64.xor (local.get $backslashes) (i64.const -1)))
            (i64.xor
              (i64.and
                (i64.add
                  (local.get $backslashes)
                  (i64.and
                    (i64.and
                      (local.get $backslashes)
                      (i64.xor (i64.shl (local.get $backslashes) (i64.const 1)) (i64.const -1)))
                    (i64.const 0x5555555555555555)))
                (i64.xor (local.get $backslashes) (i64.const -1)))
              (i64.const 0x5555555555555555))))
        (local.set $quotes
          (i64.and
            (local.get $quotes)
            (i64.xor (i64.or (local.get $escaped) (local.get $carry)) (i64.const -1))))
        (if (i64.ne (local.get $quotes) (i64.const 0))
          (then (return (i32.add (local.get $at) (i32.wrap_i64 (i64.ctz (local.get $quotes)))))))
        ;; The run that ends with the block escapes the next byte if its length is odd.
        (local.set $carry
          (i64.and (i64.clz (i64.xor (local.get $backslashes) (i64.const -1))) (i64.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $next)))
    (i32.add (local.get $at) (i32.wrap_i64 (local.get $carry)))))
