//! Both ends must predict the same bits, on any machine.
//!
//! So this is f32 addition, multiplication, division and square root in a fixed order, which IEEE 754 rounds alike
//! everywhere; sines and the like are the first terms of their series, for an error in them is an error of a prediction
//! and costs a fraction of a bit. A value that is not a number never reaches [`log2`]: its bits are not the same
//! everywhere. [`round`] makes 0 of it.

use std::f32::consts::SQRT_2;

/// About `log2(x)` for `x > 0`: exact at powers of two, linear between them.
#[inline]
pub(crate) fn log2(x: f32) -> f32 {
    (x.to_bits() as i32 - 0x3f80_0000) as f32 * (1.0 / 8_388_608.0)
}

/// How large `x >= 0` is on the scale that contexts work on: 0 for 0, one more for each doubling.
#[inline]
pub(crate) fn size(x: f32) -> f32 {
    log2(x + 0.25) + 2.0
}

/// The nearest whole number; halves go up. The cast saturates.
#[inline]
pub(crate) fn round(x: f32) -> i32 {
    let low = (x + 0.5) as i32;
    // The cast cuts towards zero.
    low.saturating_sub(i32::from((low as f32) > x + 0.5))
}

/// Sine and cosine of an angle within ±2.
#[inline]
pub(crate) fn sin_cos(x: f32) -> (f32, f32) {
    let x = x.clamp(-2.0, 2.0);
    let s = x * x;
    let sin = x * (1.0 - s * (1.0 / 6.0 - s * (1.0 / 120.0 - s * (1.0 / 5_040.0))));
    let cos = 1.0 - s * (0.5 - s * (1.0 / 24.0 - s * (1.0 / 720.0 - s * (1.0 / 40_320.0))));
    (sin, cos)
}

/// A rotation: x, y, z, w.
pub(crate) type Quat = [f32; 4];

/// A rotation from its lanes: the largest component's index and the others, `0..=max` for ±1/√2.
#[inline]
pub(crate) fn quat(lanes: &[i32], max: i32) -> Quat {
    let unit = SQRT_2 / max as f32;
    let middle = max as f32 * 0.5;
    let [a, b, c] = [1, 2, 3].map(|i| (lanes[i] as f32 - middle) * unit);
    let rest = 1.0 - a * a - b * b - c * c;
    let d = if rest > 0.0 { rest.sqrt() } else { 0.0 };
    match lanes[0] & 3 {
        0 => [d, a, b, c],
        1 => [a, d, b, c],
        2 => [a, b, d, c],
        _ => [a, b, c, d],
    }
}

/// The components' indices by size, largest first.
#[inline]
pub(crate) fn ranked(q: &Quat) -> [usize; 4] {
    let mut order = [0, 1, 2, 3];
    for i in 1..4 {
        let mut j = i;
        while j > 0 && q[order[j - 1]].abs() < q[order[j]].abs() {
            order.swap(j - 1, j);
            j -= 1;
        }
    }
    order
}

/// `a` after `b`.
#[inline]
pub(crate) fn mul(a: Quat, b: Quat) -> Quat {
    [
        a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
        a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
        a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
        a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
    ]
}

/// Half of the rotation vector (axis times angle) that leads from `from` to `to`.
#[inline]
pub(crate) fn half_turn(from: Quat, to: Quat) -> [f32; 3] {
    let d = mul(to, [-from[0], -from[1], -from[2], from[3]]);
    // Angles near half a turn come out too small; they cannot be told from their opposite anyway.
    let sign = if d[3] < 0.0 { -1.0 } else { 1.0 };
    let unit = sign / (d[3] * sign).max(0.25);
    let tan = [d[0] * unit, d[1] * unit, d[2] * unit];
    let s = tan[0] * tan[0] + tan[1] * tan[1] + tan[2] * tan[2];
    // arctan(t) / t.
    let shrink = 1.0 / (1.0 + s * (1.0 / 3.0 - s * (4.0 / 45.0)).max(0.1));
    [tan[0] * shrink, tan[1] * shrink, tan[2] * shrink]
}

/// `from`, turned on by twice the rotation vector `half`.
#[inline]
pub(crate) fn turn(from: Quat, half: [f32; 3]) -> Quat {
    let s = half[0] * half[0] + half[1] * half[1] + half[2] * half[2];
    let s = s.min(2.4);
    let sin = 1.0 - s * (1.0 / 6.0 - s * (1.0 / 120.0 - s * (1.0 / 5_040.0)));
    let cos = 1.0 - s * (0.5 - s * (1.0 / 24.0 - s * (1.0 / 720.0)));
    let q = mul([half[0] * sin, half[1] * sin, half[2] * sin, cos], from);
    let unit = 1.0 / (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]).sqrt();
    q.map(|x| x * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_exact_at_powers_of_two_and_rounding_saturates() {
        assert_eq!([0.0, 0.25, 1.75, 7.75].map(size), [0.0, 1.0, 3.0, 5.0]);
        assert_eq!([-0.5, 0.5, -1.5, 2.4, -2.6].map(round), [0, 1, -1, 2, -3]);
        let extremes = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30].map(round);
        assert_eq!(extremes, [0, i32::MAX, i32::MIN, i32::MIN]);
    }

    proptest! {
        #[test]
        fn a_turn_goes_where_it_leads(a in 0.0..1.0_f32, axis in prop::array::uniform3(-1.0..1.0_f32), lanes in prop::array::uniform4(0..512_i32)) {
            let from = quat(&lanes, 511);
            let norm = (0..4).map(|i| from[i] * from[i]).sum::<f32>();
            prop_assume!((norm - 1.0).abs() < 1e-3);
            let half = axis.map(|x| x * a * 0.3);
            let to = turn(from, half);
            let back = half_turn(from, to);
            for i in 0..3 {
                prop_assert!((back[i] - half[i]).abs() < 0.02, "{back:?} {half:?}");
            }
        }

        #[test]
        fn sine_and_cosine_are_near_libms(x in -2.0..2.0_f32) {
            let (sin, cos) = sin_cos(x);
            prop_assert!((sin - libm::sinf(x)).abs() < 2e-3 && (cos - libm::cosf(x)).abs() < 1e-3);
        }
    }
}
