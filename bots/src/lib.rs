//! Headless bots: real clients that play and tell what a player would feel.
//!
//! A bot is the client core that games embed, on the transport that the server runs on, and a [`Brain`] in place of a
//! person. One thread drives hundreds of them; a conditioner can stand in for a bad network.
//!
//! | module | holds |
//! |---|---|
//! | [`run`], [`run_watched`] | a run from [`Options`] to [`Report`], and one that somebody looks at |
//! | [`Brain`], [`Bots`] | how a game is played |
//! | [`Scenario`], [`Share`], [`Gate`] | who plays when; a part of the bots; what must come of it |
//! | `herd`, `course`, `join`, `line` | the loop over all bots; how a run goes; how they get in and out; their sockets |
//! | `player` | one bot and what is measured on it |
//! | `path` | how long its packets are under way |
//! | `light` | one that only loads the server |
//! | `recorder` | what it was told, for training models |
//! | [`describe()`] | what a server runs, whatever it is |
//! | [`ping()`] | how far it is |
//! | [`Progress`] | what is told while it goes on |
//! | `admin`, `scrape` | what the server says of itself meanwhile |
//! | [`hostile`] | bots that cheat or attack, and what that gains them |
//! | [`report`], `account`, `table`, `html` | what came of it, for programs, for people, and as a page |
//! | [`series`], `curves` | the same, second by second; distributions, whole |
//! | `budget` | where the time goes between a press and its effect on another screen |
//! | [`compare()`] | what two runs differ in |
//! | `accounting`, `explain` | what the bytes are spent on |
//! | `outliers` | the bots that had the worst of it |
#![forbid(unsafe_code)]

mod absence;
mod account;
mod accounting;
mod admin;
mod agenda;
mod brain;
mod brains;
mod budget;
mod compare;
mod course;
mod curves;
mod describe;
mod dice;
mod digits;
mod explain;
mod gates;
mod herd;
pub mod hostile;
mod html;
mod join;
mod light;
mod light_figures;
mod line;
mod live;
mod machine;
mod options;
mod origin;
mod outliers;
mod output;
mod path;
mod percentiles;
mod phases;
mod ping;
mod player;
mod progress;
mod reasons;
mod recorder;
pub mod report;
mod resume;
mod run;
pub mod scenario;
mod scrape;
mod seats;
pub mod series;
mod silence;
mod specimen;
mod stage;
mod table;
mod taken;
mod tally;
mod tickets;
mod watch;

pub use accounting::{AccountRow, Accounting, Part, Way};
pub use admin::AdminOptions;
pub use brain::{Bots, Brain};
pub use brains::standard;
pub use budget::{Budget, BudgetParts};
pub use compare::{Change, Comparison, Difference, ReadError, Run, compare};
pub use curves::Curves;
pub use describe::describe;
pub use downbeat_client::View;
pub use downbeat_wire::Look;
pub use explain::Explained;
pub use gates::{Gate, Limit, NoLimit};
pub use live::Live;
pub use machine::reference_ns;
pub use options::{BotsError, CLIENTS_MAX, Options};
pub use origin::without_secrets;
pub use outliers::Outlier;
pub use output::{OutputError, check_output, write_output};
pub use percentiles::Percentiles;
pub use ping::{PINGS_MAX, Ping, ping};
pub use progress::{Progress, RunStage};
pub use report::{Report, Verdict};
pub use run::{check, run, run_watched};
pub use scenario::{Scenario, Share};
pub use scrape::{MetricsPage, Work};
pub use watch::{Sight, Watch};
