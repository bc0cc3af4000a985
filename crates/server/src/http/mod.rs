//! Operators look into a server and change it over HTTP: a page for people, an interface for programs, health and metrics.
//!
//! All of it lives on one thread with a runtime of its own, so that nothing here can hold up a match: what it wants of the
//! shards goes through [`Control`](crate::control::Control). Whoever connects has bounds: connections, the bytes of heads and
//! bodies, and the time that everything may take.
//!
//! | module | holds |
//! |---|---|
//! | `accept` | connections, and how long each may last |
//! | `tokens` | who may do what |
//! | `history` | the last minutes, second by second |
//! | `page` | the page for people (`assets/dashboard`) |
//! | `problem` | what is said when something is not done (RFC 9457) |
//! | `answered` | how many requests were answered how |
//! | `api` | what all routes share |
//! | `routes` | the routes, and the document that lists them (OpenAPI 3.1) |

mod accept;
mod answered;
mod api;
mod history;
mod page;
mod problem;
mod routes;
mod tokens;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub(crate) use self::answered::Answered;
pub(crate) use self::api::{Api, Facts};
use self::tokens::Issued;
pub(crate) use self::tokens::Tokens;
pub use self::tokens::TokensError;
use crate::config::Admin;
use crate::notice::{Notice, Notify};
use crate::start::StartError;

/// The admin interface, bound and not served yet.
#[derive(Debug)]
pub(crate) struct Http {
    listener: TcpListener,
    tokens: Tokens,
    /// The file of the token that was made, until this is dropped.
    issued: Option<Issued>,
}

/// Ends the admin interface when it is dropped.
pub(crate) struct Open(#[allow(dead_code, reason = "its end is what it says")] oneshot::Sender<()>);

/// Serves on the thread that calls it, until the end.
pub(crate) type Serve = Box<dyn FnOnce() + Send>;

impl Http {
    pub(crate) fn bind(admin: &Admin, notify: &mut Notify) -> Result<Self, StartError> {
        let address = admin.listen;
        let listener = TcpListener::bind(address).map_err(|error| StartError::BindAdmin { address, error })?;
        listener.set_nonblocking(true).map_err(|error| StartError::BindAdmin { address, error })?;
        let address = listener.local_addr().map_err(|error| StartError::BindAdmin { address, error })?;
        let (tokens, issued) = Tokens::of(admin, address, notify)?;
        if !address.ip().to_canonical().is_loopback() {
            notify(&Notice::AdminUnencrypted { address });
        }
        Ok(Self { listener, tokens, issued })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Where the token is that was made for this run.
    pub(crate) fn issued(&self) -> Option<&Path> {
        self.issued.as_ref().map(Issued::path)
    }

    /// Makes what [`serve`] needs, and what ends it.
    pub(crate) fn open(self, api: impl FnOnce(Tokens) -> Api) -> io::Result<(Open, Serve)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_name("admin files")
            .build()?;
        let (open, is_over) = oneshot::channel();
        let Self { listener, tokens, issued } = self;
        let api = Arc::new(api(tokens));
        let serve = move || {
            let _issued = issued;
            runtime.block_on(serve(listener, api, is_over));
            // What a hook is at, or who is connected, does not keep the server from ending.
            runtime.shutdown_timeout(Duration::from_millis(100));
        };
        Ok((Open(open), Box::new(serve)))
    }
}

async fn serve(listener: TcpListener, api: Arc<Api>, is_over: oneshot::Receiver<()>) {
    let listener =
        tokio::net::TcpListener::from_std(listener).expect("the runtime runs, and the listener does not block");
    api.control.watch();
    tokio::select! {
        () = accept::accept(&listener, routes::router(Arc::clone(&api))) => {}
        () = look_around(&api) => {}
        _ = is_over => {}
    }
}

/// Looks at the shards once a second.
async fn look_around(api: &Api) {
    loop {
        _ = api.hung();
        api.note_second();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
