//! A test must name the network it ran on so that anybody can run it again: a link is a few numbers with a text form.
//!
//! The text is the value of `--net`: a preset's name, `none`, or `key=value` pairs joined by commas. What is printed is
//! always the pairs (or `none`), and parses back to the same link.

use std::fmt;
use std::str::FromStr;

use downbeat_wire::Micros;

use crate::parse;
use crate::units::{Chance, decimal};

/// Named links, with what each stands for.
pub const PRESETS: &[(&str, &str)] = &[
    ("none", ""),
    ("lan", "latency=0.2ms"),
    ("broadband", "latency=15ms,jitter=3ms,loss=0.1%"),
    ("wifi", "latency=20ms,jitter=10ms,loss=1%,burst=2"),
    ("mobile", "latency=45ms,jitter=20ms,loss=2%,burst=3"),
    ("awful", "latency=100ms,jitter=50ms,loss=10%,burst=4,reorder=2%,dup=1%"),
];

/// How much a bottleneck holds before it drops what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// As much as leaves within this time.
    Time(Micros),
    /// This many bytes.
    Bytes(u64),
}

impl Queue {
    /// What a bottleneck holds when nothing is said.
    pub const DEFAULT: Self = Self::Time(Micros::from_millis(100));
}

/// What one direction of a network path does to datagrams. The default is a perfect link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkSpec {
    /// Mean time under way.
    pub latency: Micros,
    /// The time under way is uniform in `latency` ± `jitter`; never larger than `latency`.
    pub jitter: Micros,
    /// Share of datagrams that the link loses at random.
    pub loss: Chance,
    /// Mean length of a run of losses in thousandths of a datagram; `None` = losses are independent.
    pub burst_thousandths: Option<u32>,
    /// Share of datagrams that are held back until later ones have overtaken them.
    pub reorder: Chance,
    /// Share of datagrams that arrive twice.
    pub dup: Chance,
    /// Bits per second that pass; `None` = any number.
    pub rate_bits: Option<u64>,
    /// How much waits in front of a `rate`; without one there is no queue.
    pub queue: Option<Queue>,
}

impl LinkSpec {
    /// A link that delivers everything at once.
    pub const PERFECT: Self = Self {
        latency: Micros(0),
        jitter: Micros(0),
        loss: Chance::NEVER,
        burst_thousandths: None,
        reorder: Chance::NEVER,
        dup: Chance::NEVER,
        rate_bits: None,
        queue: None,
    };

    /// Whether nothing would be done to any datagram.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        *self == Self::PERFECT
    }

    /// The same link without loss: for "converges once loss is switched off".
    #[must_use]
    pub fn without_loss(self) -> Self {
        Self { loss: Chance::NEVER, burst_thousandths: None, ..self }
    }

    /// The link if its numbers agree with each other.
    ///
    /// # Errors
    /// [`SpecError`] naming the key that contradicts another.
    pub fn checked(self) -> Result<Self, SpecError> {
        if self.jitter > self.latency {
            return Err(SpecError::JitterOverLatency);
        }
        if let Some(burst) = self.burst_thousandths {
            if burst < 1_000 {
                return Err(SpecError::BurstUnderOne);
            }
            // The bursts' starts must fit between the bursts: loss / (1 - loss) <= burst.
            let (loss, kept) = (u64::from(self.loss.millionths()), 1_000_000 - u64::from(self.loss.millionths()));
            if loss * 1_000 > kept * u64::from(burst) {
                return Err(SpecError::BurstTooShort);
            }
        }
        if self.rate_bits == Some(0) {
            return Err(SpecError::NoRate);
        }
        if self.queue.is_some() && self.rate_bits.is_none() {
            return Err(SpecError::QueueWithoutRate);
        }
        Ok(self)
    }
}

/// Why a `--net` value is not a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Neither a preset nor a pair.
    #[error(
        "`{0}` is neither a preset (none, lan, broadband, wifi, mobile, awful) nor key=value pairs joined by commas \
         (latency, jitter, loss, burst, reorder, dup, rate, queue)"
    )]
    NotAPair(String),
    /// A key that does not exist.
    #[error("unknown key `{0}`; the keys are latency, jitter, loss, burst, reorder, dup, rate, queue")]
    UnknownKey(String),
    /// A key that was given twice.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    /// A value that does not parse.
    #[error("`{key}={value}`: {allowed}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// What stood behind it.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// Some datagrams would arrive before they were sent.
    #[error("`jitter` must not be larger than `latency`")]
    JitterOverLatency,
    /// Shorter than one datagram.
    #[error("`burst` is the mean length of a run of losses in datagrams and must be at least 1")]
    BurstUnderOne,
    /// So many losses cannot come in runs so short.
    #[error("`burst` is too short for this `loss`: it must be at least loss / (1 - loss)")]
    BurstTooShort,
    /// Nothing would ever pass.
    #[error("`rate` must be larger than 0")]
    NoRate,
    /// A queue needs something to wait for.
    #[error("`queue` needs a `rate`")]
    QueueWithoutRate,
}

impl FromStr for LinkSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        match PRESETS.iter().find(|(name, _)| *name == text) {
            Some((_, pairs)) => parse::pairs(pairs),
            None if text.is_empty() => Err(SpecError::NotAPair(String::new())),
            None => parse::pairs(text),
        }
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_perfect() {
            return f.write_str("none");
        }
        let mut pairs = Vec::new();
        for (key, time) in [("latency", self.latency), ("jitter", self.jitter)] {
            if time > Micros(0) {
                pairs.push(format!("{key}={}ms", decimal(time.0, 3)));
            }
        }
        if self.loss > Chance::NEVER {
            pairs.push(format!("loss={}", self.loss));
        }
        if let Some(burst) = self.burst_thousandths {
            pairs.push(format!("burst={}", decimal(u64::from(burst), 3)));
        }
        for (key, chance) in [("reorder", self.reorder), ("dup", self.dup)] {
            if chance > Chance::NEVER {
                pairs.push(format!("{key}={chance}"));
            }
        }
        if let Some(bits) = self.rate_bits {
            pairs.push(format!("rate={}", parse::print_rate(bits)));
        }
        match self.queue {
            Some(Queue::Time(time)) => pairs.push(format!("queue={}ms", decimal(time.0, 3))),
            Some(Queue::Bytes(bytes)) => pairs.push(format!("queue={bytes}b")),
            None => {}
        }
        f.write_str(&pairs.join(","))
    }
}
