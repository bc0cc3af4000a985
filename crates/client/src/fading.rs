//! A correction must not be seen as a jump: what is drawn keeps its place and closes in on the corrected one.

use downbeat_replica::Micros;
use downbeat_replica::glam::Vec3;

use crate::limits::{FADE_METRE_HALVING_S, FADE_SMALL_HALVING_S, FADE_SPEED_MAX_MPS, OFFSET_MAX_M};

/// How far what is drawn is from what is so, and since when it closes in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fading {
    offset: Vec3,
    at: Micros,
}

impl Fading {
    /// What is so was moved by `-error`: what is drawn stays where it is.
    pub(crate) fn add(&mut self, error: Vec3, now: Micros) {
        let offset = self.offset(now) + error;
        let offset = if offset.length() <= OFFSET_MAX_M { offset } else { Vec3::ZERO };
        *self = Self { offset, at: self.at.max(now) };
    }

    /// What is drawn minus what is so, in metres.
    pub(crate) fn offset(&self, now: Micros) -> Vec3 {
        let distance = f64::from(self.offset.length());
        if distance == 0.0 {
            return Vec3::ZERO;
        }
        self.offset * (faded(distance, now.since(self.at).as_secs_f64()) / distance) as f32
    }
}

/// What is left of `distance` metres after `seconds`.
///
/// The rate grows with the size (Fiedler, "State Synchronization", 2015, blends two rates likewise, per frame):
/// `dx/dt = -min(x · (a + b·x), v)`, with `a` so that a tiny error halves in [`FADE_SMALL_HALVING_S`], `a + b` so that one
/// of a metre sets out to halve in [`FADE_METRE_HALVING_S`], and `v` = [`FADE_SPEED_MAX_MPS`]. Solved in closed form: the
/// straight way at speed `v` down to the size where the two meet, from there on
/// `x(t) = a·x₀ / ((a + b·x₀)·exp(a·t) − b·x₀)`. So it does not depend on how often it is asked.
fn faded(distance: f64, seconds: f64) -> f64 {
    let a = core::f64::consts::LN_2 / FADE_SMALL_HALVING_S;
    let b = core::f64::consts::LN_2 / FADE_METRE_HALVING_S - a;
    let v = FADE_SPEED_MAX_MPS;
    let slowing = (libm::sqrt(a * a + 4.0 * b * v) - a) / (2.0 * b);
    let straight = ((distance - slowing) / v).max(0.0);
    if seconds < straight {
        return distance - v * seconds;
    }
    let (from, time) = (distance.min(slowing), seconds - straight);
    a * from / ((a + b * from) * libm::exp(a * time) - b * from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fading_does_not_depend_on_how_often_it_is_asked() {
        for start in [0.01, 0.3, 0.9, 1.9, 12.0] {
            let whole = faded(start, 0.6);
            for frames in [7_u32, 18, 36, 144] {
                let parts = (0..frames).fold(start, |left, _| faded(left, 0.6 / f64::from(frames)));
                assert!((parts - whole).abs() < 1e-9, "{start} m in {frames} frames: {parts} instead of {whole}");
            }
        }
    }

    #[test]
    fn small_errors_fade_slowly_and_large_ones_fast_within_the_speed_limit() {
        let halved_after = |start: f64| (0..2_000).find(|ms| faded(start, f64::from(*ms) / 1_000.0) <= start / 2.0);
        assert!((195..=200).contains(&halved_after(0.002).expect("it fades")), "{:?}", halved_after(0.002));
        assert!(halved_after(0.6).expect("it fades") < 90, "{:?}", halved_after(0.6));
        for start in [0.05, 0.5, 1.0, 1.9, 10.0] {
            let mut before = start;
            for ms in 1..3_000 {
                let now = faded(start, f64::from(ms) / 1_000.0);
                assert!((0.0..=FADE_SPEED_MAX_MPS / 1_000.0 + 1e-9).contains(&(before - now)), "{start} m at {ms} ms");
                before = now;
            }
            assert!(before < 0.001, "{start} m never ends: {before}");
        }
    }

    #[test]
    fn what_would_take_seconds_is_shown_at_once() {
        let mut fading = Fading::default();
        fading.add(Vec3::X * 10.0, Micros(0));
        assert_eq!(fading.offset(Micros(0)), Vec3::X * 10.0);
        fading.add(Vec3::X * 10.0, Micros(0));
        assert_eq!(fading.offset(Micros(0)), Vec3::ZERO);
    }
}
