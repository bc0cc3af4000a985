//! A client.

use naia_client::transport::udp::Socket;
use naia_client::{Client, ClientConfig, UpdateComponentEvent};
use peers_world::{Args, Failure, Peer, Press, count_states};

use crate::protocol::{Hello, Pressed, Presses, Walker, protocol};
use crate::store::Store;

struct Player {
    client: Client<u32>,
    store: Store,
}

pub(crate) fn play(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let session = format!("http://{}", args.server()?);
    peers_world::play(peer, args, |i| {
        let config = ClientConfig::default();
        let mut client = Client::new(config, protocol());
        client.auth(Hello { client: i as u32 });
        client.connect(Socket::new(&session, None));
        Ok(Player { client, store: Store::default() })
    })
}

impl peers_world::Client for Player {
    fn update(&mut self, press: Press) {
        let mut events = self.client.receive(&mut self.store);
        count_states(events.read::<UpdateComponentEvent<Walker>>().count());
        if self.client.connection_status().is_connected() {
            self.client.send_message::<Presses, _>(&Pressed::from(press));
        }
    }

    fn is_connected(&self) -> bool {
        self.client.connection_status().is_connected()
    }
}
