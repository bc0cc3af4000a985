//! The command line of Downbeat, for the games that come with it and for yours.
//!
//! A game implements [`Game`](downbeat_replica::Game) and, with one empty line, [`Bots`]; then
//! [`main_with::<MyGame>()`](main_with) is a `main` with `serve`, `bots`, `demo`, `train` and `schema`. `examples/tag` is
//! a whole one.
#![forbid(unsafe_code)]

mod bots;
mod cli;
mod demo;
mod error;
mod output;
mod ping;
mod reach;
mod scenario;
mod serve;
mod settings;
mod systemd;
mod telling;
#[cfg(test)]
mod tests;
mod token;
mod train;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use downbeat_arena::Arena;
use downbeat_field::Field;

pub use downbeat_bots::{Bots, Brain, Look, View, standard};

use cli::{BotsAction, Cli, Command};
use error::CliError;
use settings::{ARENA, FIELD, Settings};

/// The command line for `G` alone.
pub fn main_with<G: Bots>() -> ExitCode {
    let cli = Cli::of_one_game(G::BRAINS).get_matches();
    exit(one_game::<G>(&cli))
}

fn one_game<G: Bots>(cli: &ArgMatches) -> Result<u8, CliError> {
    let settings = Settings::new(vec![settings::of::<G>()]);
    run(cli, &settings, |command, settings, _| run_game::<G>(command, settings))
}

/// The command line for the games that come with Downbeat.
#[must_use]
pub fn main() -> ExitCode {
    exit(own_games(&Cli::command().get_matches()))
}

fn own_games(cli: &ArgMatches) -> Result<u8, CliError> {
    let settings = Settings::new(vec![ARENA, FIELD]);
    run(cli, &settings, |command, settings, game| {
        if game == FIELD.name { run_game::<Field>(command, settings) } else { run_game::<Arena>(command, settings) }
    })
}

/// Reads the settings, which say the game, and hands over to it.
fn run(
    cli: &ArgMatches,
    settings: &Settings,
    play: impl FnOnce(&Command, &settings::Checked, &str) -> Result<u8, CliError>,
) -> Result<u8, CliError> {
    let Cli { command } = Cli::from_arg_matches(cli).unwrap_or_else(|error| error.exit());
    let checked = settings.check(&command)?;
    play(&command, &checked, &checked.config.game)
}

fn run_game<G: Bots>(command: &Command, settings: &settings::Checked) -> Result<u8, CliError> {
    match command {
        Command::Serve(args) => serve::serve::<G>(args, settings),
        Command::Bots(args) => match &args.action {
            Some(BotsAction::Check(_)) => bots::check_scenario::<G>(settings),
            Some(BotsAction::Compare(args)) => bots::compare_runs(args),
            None => bots::bots::<G>(args, settings),
        },
        Command::Demo(args) => demo::demo::<G>(args, settings),
        Command::Train(args) => train::train::<G>(args),
        Command::Schema(args) => bots::schema::<G>(args),
        Command::Ping(args) => ping::ping(args),
        Command::CheckConfig(args) => token::check_config::<G>(args, settings),
        Command::Token(args) => token::token(args),
    }
}

fn exit(result: Result<u8, CliError>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The profile that this was built with.
const PROFILE: &str = env!("BUILD_PROFILE");
