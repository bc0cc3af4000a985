//! Records as an HTTP request, signed so that whoever receives it can tell that this server sent it, and when. A request has the
//! same id each time that it is repeated, so that a receiver that took it and could not say so takes it once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use ureq::tls::{Certificate, TlsConfig};

use super::RecordsError;
use super::sink::Deliver;
use crate::config::WebhookOptions;
use crate::files::read_up_to;
use crate::limits::{RECORDS_ANSWERED_WITHIN, SECRET_BYTES_MAX, SECRET_BYTES_MIN};

pub(super) struct Webhook {
    url: String,
    secret: hmac::Key,
    spool: Option<PathBuf>,
    agent: ureq::Agent,
}

impl Webhook {
    pub(super) fn new(options: &WebhookOptions) -> Result<Self, RecordsError> {
        let path = &options.secret;
        let secret =
            read_up_to(path, SECRET_BYTES_MAX).map_err(|error| RecordsError::File { path: path.clone(), error })?;
        let secret = secret.trim_ascii();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(RecordsError::Secret { path: path.clone(), bytes: secret.len() });
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls())
            .timeout_global(Some(RECORDS_ANSWERED_WITHIN))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("downbeat/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            url: options.url.clone(),
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            spool: options.spool.clone(),
            agent: agent.new_agent(),
        })
    }
}

impl Deliver for Webhook {
    fn deliver(&mut self, lines: &[Arc<str>]) -> Result<(), String> {
        let body = format!("[{}]", lines.join(","));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("downbeat-delivery", format!("{}+{}", first_id(lines), lines.len()))
            .header("downbeat-signature", format!("t={now},v1={}", sign(&self.secret, now, &body)));
        let answer = request.send(&body).map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {status}")) }
    }

    fn spool(&self) -> Option<&Path> {
        self.spool.as_deref()
    }
}

/// The system's certificates are believed.
fn tls() -> TlsConfig {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots = roots.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned());
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(roots.into())
        .build()
}

/// HMAC-SHA256 of the time and the body, in hex.
pub(super) fn sign(secret: &hmac::Key, time_s: u64, body: &str) -> String {
    let tag = hmac::sign(secret, format!("{time_s}.{body}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of the first record.
fn first_id(lines: &[Arc<str>]) -> &str {
    let id = lines.first().and_then(|line| line.strip_prefix("{\"id\":\"")?.split('"').next());
    id.unwrap_or_default()
}
