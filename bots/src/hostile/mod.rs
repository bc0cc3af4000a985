//! Hostile bots: what a cheat gains over an honest bot, and what an attack does to those who play.
//!
//! A run has two stretches that are equally long. In the first everybody is honest, in the second some attack. Kinds that
//! play are honest bots whose datagrams are changed on their way out, so that they play as well as the others but for the
//! cheat; the rest attacks beside the match, on a thread of its own.
//!
//! | module | holds |
//! |---|---|
//! | [`Kind`], [`Plan`] | what there is, and how it is asked for |
//! | `tamper`, `codec` | the layer between a client core and its connection; datagrams, taken apart |
//! | `inputs`, `lies`, `picture` | what the layer does, kind by kind; brains that see by the lie |
//! | `beside`, `visitor` | the kinds that do not play |
//! | `ledger`, `gains` | what each bot did by the server's word, and what comes of comparing |
//! | `siege` | the stretches of a run, and what becomes of hostile bots |
//! | `findings` | from what was measured to the report |
//! | [`report`], `table` | what was found, for programs and for people |

mod arm;
mod beside;
mod codec;
mod findings;
mod gains;
mod inputs;
mod kind;
mod ledger;
mod lies;
mod picture;
mod plan;
pub mod report;
mod siege;
mod table;
mod tamper;
#[cfg(test)]
mod tests;
mod visitor;

pub(crate) use codec::Codec;
pub use gains::Gain;
pub use kind::{Kind, Way, list};
pub(crate) use ledger::{Ledger, Stretch};
pub use plan::{Among, Plan};
pub(crate) use siege::{Siege, depart};
pub(crate) use tamper::Tamper;
