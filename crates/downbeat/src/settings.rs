//! From flags, environment and file to one checked configuration.

use downbeat_replica::Game;
use downbeat_server::config::{ConfigError, GameDefaults, GameTable, Origin, PLAYERS_MAX};
use downbeat_server::{Config, Loader};

use crate::cli::{BotsAction, BotsArgs, Command, DemoArgs, MatchArgs, ServeArgs};
use crate::error::CliError;
use crate::scenario::ScenarioFile;

/// The small shooter.
pub(crate) const ARENA: GameDefaults = GameDefaults { name: downbeat_arena::Arena::NAME, players_max: 32 };

/// The crowd.
pub(crate) const FIELD: GameDefaults = GameDefaults { name: downbeat_field::Field::NAME, players_max: 1_024 };

/// The defaults of a game that says nothing.
pub(crate) const fn of<G: Game>() -> GameDefaults {
    GameDefaults { name: G::NAME, players_max: PLAYERS_MAX }
}

/// The games of this binary; the first is the default.
pub(crate) struct Settings(Vec<GameDefaults>);

/// What was set, checked; the game's rules once its type is known.
pub(crate) struct Checked {
    pub(crate) config: Config,
    pub(crate) rules: GameTable,
    /// The scenario of `bots`.
    pub(crate) scenario: Option<ScenarioFile>,
    games: Vec<GameDefaults>,
}

impl Checked {
    /// The same settings as `args` and what it refers to say them now.
    pub(crate) fn again<G: Game>(
        &self,
        args: &ServeArgs,
    ) -> impl FnMut() -> Result<(Config, G::Config), ConfigError> + use<G> {
        let (settings, command) = (Settings(self.games.clone()), Command::Serve(Box::new(args.clone())));
        move || {
            let checked = settings.check(&command).map_err(|error| match error {
                CliError::Config(error) => error,
                other => ConfigError { origin: Origin::Named("command line".to_owned()), message: other.to_string() },
            })?;
            let rules = checked.rules.rules::<G>()?;
            Ok((checked.config, rules))
        }
    }
}

impl Settings {
    pub(crate) fn new(games: Vec<GameDefaults>) -> Self {
        Self(games)
    }

    /// Reads what `command` says, and what it refers to.
    pub(crate) fn check(&self, command: &Command) -> Result<Checked, CliError> {
        let mut loader = Loader::new(&self.0);
        let mut scenario = None;
        match command {
            Command::Serve(args) => self.serve(args, &mut loader)?,
            Command::Demo(args) => self.demo(args, &mut loader)?,
            Command::Bots(args) => scenario = self.bots(args, &mut loader)?,
            Command::Train(args) => set(&mut loader, "--game", "game.name", args.game.as_ref())?,
            Command::Schema(args) => set(&mut loader, "--game", "game.name", args.game.as_ref())?,
            Command::CheckConfig(args) => loader.file(&args.file)?,
            Command::Token(_) | Command::Ping(_) => {}
        }
        let (config, rules) = loader.finish()?;
        Ok(Checked { config, rules, scenario, games: self.0.clone() })
    }

    fn serve(&self, args: &ServeArgs, loader: &mut Loader) -> Result<(), CliError> {
        surroundings(args, loader)?;
        // Which game the rules are about, the file and the environment may say, too.
        let mut game = Loader::new(&self.0);
        surroundings(args, &mut game)?;
        set(&mut game, "--game", "game.name", args.rules.game.as_ref())?;
        self.rules(&args.rules, &game.finish()?.0.game, loader)?;
        if !args.listen.is_empty() {
            let list: Vec<_> = args.listen.iter().map(|address| format!("{address:?}")).collect();
            loader.flag("--listen", "listen", &format!("[{}]", list.join(", ")))?;
        }
        set(loader, "--rooms-max", "rooms_max", args.rooms_max.as_ref())?;
        set(loader, "--players-max", "players_max", args.players_max.as_ref())?;
        set(loader, "--seed", "seed", args.seed.as_ref())?;
        set(loader, "--drain-deadline", "drain_deadline", args.drain_deadline.as_ref())?;
        set(loader, "--shards", "shards", args.shards.as_ref())?;
        set(loader, "--cpu", "cpu", args.cpu.as_ref())?;
        let no_auth = args.danger_no_auth.then_some(true);
        set(loader, "--danger-no-auth", "danger_no_auth", no_auth.as_ref())?;
        set(loader, "--log-level", "log.level", args.log_level.as_ref())?;
        set(loader, "--log-format", "log.format", args.log_format.as_ref())?;
        set(loader, "--admin", "admin.listen", args.admin.as_ref())?;
        set(loader, "--ticket-keys", "tickets.keys", args.ticket_keys.as_ref())
    }

    /// The game of bots is what the flag says, or else their scenario.
    fn bots(&self, args: &BotsArgs, loader: &mut Loader) -> Result<Option<ScenarioFile>, CliError> {
        let (path, game) = match &args.action {
            Some(BotsAction::Check(args)) => (Some(&args.file), &args.game),
            // Reports say themselves what was played.
            Some(BotsAction::Compare(_)) => (None, &None),
            None => (args.scenario.as_ref(), &args.game),
        };
        let file = path.map(|path| ScenarioFile::read(path)).transpose().map_err(CliError::Scenario)?;
        set(loader, "--game", "game.name", game.as_ref())?;
        if let Some((file, name)) =
            file.as_ref().and_then(|file| Some((file, file.game.as_ref()?))).filter(|_| game.is_none())
        {
            if !self.0.iter().any(|game| game.name == name) {
                let known = self.0.iter().map(|game| format!("`{}`", game.name)).collect::<Vec<_>>().join(", ");
                let message = format!("`game` is `{name}`; {known} are allowed");
                return Err(CliError::Scenario(file.error("game", message)));
            }
            set(loader, "game", "game.name", Some(name))?;
        }
        Ok(file)
    }

    /// A demo depends on its flags alone.
    fn demo(&self, args: &DemoArgs, loader: &mut Loader) -> Result<(), CliError> {
        let first = self.0.first().map(|game| game.name).unwrap_or_default();
        self.rules(&args.rules, args.rules.game.as_deref().unwrap_or(first), loader)?;
        loader.flag("demo", "listen", "\"127.0.0.1:0\"")?;
        set(loader, "--seed", "seed", Some(&args.seed))
    }

    /// Refuses a rule of the crowd for another game, where it would only be an unknown key.
    fn check_field(&self, what: &str, game: &str) -> Result<(), CliError> {
        if game == FIELD.name {
            return Ok(());
        }
        let is_there = self.0.contains(&FIELD);
        let next_step = if is_there { "add --game field" } else { "rules of this game are set with --rule" };
        Err(CliError::Usage(format!("{what} is a rule of the game `field`: {next_step}")))
    }

    fn rules(&self, args: &MatchArgs, game: &str, loader: &mut Loader) -> Result<(), CliError> {
        set(loader, "--game", "game.name", args.game.as_ref())?;
        set(loader, "--tick-rate", "tick_rate", args.tick_rate.as_ref())?;
        set(loader, "--send-rate", "send_rate", args.send_rate.as_ref())?;
        for (rule, value) in [("walkers", &args.walkers), ("visible", &args.visible), ("avatars", &args.avatars)] {
            if value.is_some() {
                self.check_field(&format!("--{rule}"), game)?;
            }
            set(loader, &format!("--{rule}"), &format!("game.{game}.{rule}"), value.as_ref())?;
        }
        for rule in &args.rules {
            let Some((key, value)) = rule.split_once('=') else {
                return Err(CliError::Usage(format!("--rule {rule}: expected KEY=VALUE")));
            };
            // Without the crowd, a game may have rules of that name.
            if RULES_OF_FIELD.contains(&key) && self.0.contains(&FIELD) {
                self.check_field(&format!("--rule {rule}"), game)?;
            }
            loader.flag(&format!("--rule {key}"), &format!("game.{game}.{key}"), value)?;
        }
        Ok(())
    }
}

/// Rules that have flags of their own, as the README calls them.
const RULES_OF_FIELD: [&str; 3] = ["walkers", "visible", "avatars"];

/// The file and the environment.
fn surroundings(args: &ServeArgs, loader: &mut Loader) -> Result<(), CliError> {
    if let Some(path) = &args.config {
        loader.file(path)?;
    }
    let variables = std::env::vars_os();
    let text = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(loader.environment(text)?)
}

fn set(loader: &mut Loader, flag: &str, key: &str, value: Option<&impl ToString>) -> Result<(), CliError> {
    match value {
        Some(value) => Ok(loader.flag(flag, key, &value.to_string())?),
        None => Ok(()),
    }
}
