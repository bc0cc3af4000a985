//! The codec of entity records: predicted from states that both ends know, in contexts that were trained for the game.
//!
//! The problem: a delta against one state says again and again what was to be expected — who walked walks on. The idea:
//! both ends foretell the state from up to three that they know, and only the error is told; how large it will be is
//! foretold too, so that a likely one costs a fraction of a bit. `docs/replication.md` has the design, what it was measured
//! at, and what was tried in vain.
//!
//! ```
//! use downbeat_replica::codec::{History, Known, KindModel, Op, Plan, Walk};
//! use downbeat_replica::{Kind, Replicated, glam::Vec3};
//! use downbeat_wire::range::{Decoder, Encoder};
//!
//! #[derive(Replicated)]
//! struct Rocket {
//!     #[field(position, range = -512.0..=512.0, step = 0.01)]
//!     position: Vec3,
//! }
//!
//! let model = KindModel::untrained(Plan::new(&Kind::of::<Rocket>("Rocket"), false));
//! let known = [Known { age: 4, lanes: &[960, 0, 0] }, Known { age: 5, lanes: &[950, 0, 0] }, Known { age: 8, lanes: &[920, 0, 0] }];
//! let history = History::pick(model.lags(), 0, known).expect("three states are known");
//! let (mut walk, mut ops, mut state) = (Walk::default(), Vec::<Op>::new(), [1_001, 0, 0]);
//! walk.begin(&model, &history);
//! let Ok(_) = walk.presence(&model, &mut ops, true);
//! let Ok(()) = walk.body(&model, &history, &mut ops, &mut state);
//! let mut bytes = Vec::new();
//! let mut encoder = Encoder::new(&mut bytes);
//! Op::write(&ops, &mut encoder);
//! encoder.finish();
//! assert!(bytes.len() <= 3, "it was foretold");
//!
//! let (mut decoder, mut state) = (Decoder::new(&bytes), [0; 3]);
//! walk.begin(&model, &history);
//! assert!(walk.presence(&model, &mut decoder, false)?);
//! walk.body(&model, &history, &mut decoder, &mut state)?;
//! decoder.check()?;
//! assert_eq!(state, [1_001, 0, 0]);
//! # Ok::<(), downbeat_replica::DecodeError>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `plan` | a kind of the schema, compiled: forms of prediction, slots |
//! | `history`, `guess` | the states that both ends know of an entity, or guess of one that enters |
//! | `forecast`, `math` | from those to features and to the way each field takes |
//! | `net`, `table`, `bucket` | trained parts: networks and tables; residuals as symbols |
//! | `record` | the walk over a record's slots that encoder, decoder and trainer take alike |
//! | `ops` | decisions kept for many clients |
//! | `meter` | what each of them costs |
//! | [`wakes`] | which of the sleepers have a record |
//! | `model`, `file` | the model of a kind, and of a game as a file |
//! | [`train`](mod@train) | fits models to recordings |

mod bucket;
mod file;
mod forecast;
mod guess;
mod history;
mod math;
mod meter;
mod model;
mod net;
mod ops;
mod plan;
mod record;
mod table;
#[cfg(test)]
mod tests;
pub mod train;
pub mod wakes;

pub use file::{Model, ModelError};
pub use guess::guess;
pub use history::{History, Known};
pub use meter::{Metered, bits_read};
pub use model::KindModel;
pub use ops::{Op, cost};
pub use plan::Plan;
pub use record::{Ask, Io, Walk, differ};
