//! Whoever knows what the server had can see for itself whether bots were told it.

use downbeat_client::Client;
use downbeat_replica::Game;

/// A bot right after it took in a snapshot.
pub struct Sight<'a, G: Game> {
    /// Which bot.
    pub bot: usize,
    /// The room it plays in.
    pub room: u64,
    /// Whether the warm-up is over.
    pub is_measured: bool,
    /// What it knows: as of [`Client::newest`].
    pub client: &'a Client<G>,
}

/// Is shown every snapshot of every bot that is not light.
pub type Watch<'a, G> = dyn FnMut(&Sight<'_, G>) + 'a;
