//! Sinks against receivers that are slow, refuse, hang up, go away and come back.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, str};

use ring::hmac;

use super::record::{Event, Player};
use super::*;
use crate::config::{ResultsOptions, WebhookOptions};
use crate::notice::Notice;
use crate::stop::Stop;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Nothing here takes anywhere near as long, unless the machine does.
const PATIENCE: Duration = Duration::from_secs(60);

fn until(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("downbeat-records-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("secret"), [SECRET, b"\n"].concat()).expect("a file");
    folder
}

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
enum Act {
    Take,
    Fail,
    /// Hangs up having read it all.
    HangUp,
    /// Takes it, after this time.
    Dawdle(Duration),
}

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    delivery: String,
    signature: String,
    body: String,
    is_taken: bool,
}

/// An HTTP server that does as it is told: first what its script says, then what it always does.
struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    fn start(address: SocketAddr, script: &[Act], always: Act) -> Self {
        // The port of one that has just ended may not be free yet.
        let mut listener = None;
        assert!(until(|| {
            listener = TcpListener::bind(address).ok();
            listener.is_some()
        }));
        let listener = listener.expect("it was bound");
        listener.set_nonblocking(true).expect("loopback");
        let address = listener.local_addr().expect("loopback");
        let (requests, is_over) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (kept, over) = (Arc::clone(&requests), Arc::clone(&is_over));
        let mut script: VecDeque<Act> = script.iter().copied().collect();
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => answer(stream, script.pop_front().unwrap_or(always), &kept),
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { address, requests, is_over, thread: Some(thread) }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("it does not panic").clone()
    }

    /// The numbers of the records that it took, in order.
    fn taken(&self) -> Vec<u64> {
        let numbers = |request: Request| {
            let records: Vec<serde_json::Value> = serde_json::from_str(&request.body).expect("an array of records");
            records.into_iter().map(|record| record["room"].as_u64().expect("a room")).collect::<Vec<_>>()
        };
        self.requests().into_iter().filter(|request| request.is_taken).flat_map(numbers).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads one request and does with it what is to be done. The connection ends with it.
fn answer(mut stream: TcpStream, act: Act, kept: &Mutex<Vec<Request>>) {
    stream.set_nonblocking(false).expect("loopback");
    let mut reader = BufReader::new(stream.try_clone().expect("loopback"));
    let (mut headers, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
        headers.push(line.trim().to_owned());
        line.clear();
    }
    let header = |name: &str| {
        let found =
            headers.iter().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().expect("it says how long it is")];
    reader.read_exact(&mut body).expect("it is as long");
    if let Act::Dawdle(time) = act {
        thread::sleep(time);
    }
    let is_taken = matches!(act, Act::Take | Act::Dawdle(_));
    let (delivery, signature) = (header("downbeat-delivery"), header("downbeat-signature"));
    let body = String::from_utf8(body).expect("JSON");
    kept.lock().expect("it does not panic").push(Request { delivery, signature, body, is_taken });
    let status = match act {
        Act::HangUp => return,
        Act::Fail => "500 Internal Server Error",
        Act::Take | Act::Dawdle(_) => "204 No Content",
    };
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

/// Sinks that run.
struct Running {
    recorder: Arc<Recorder>,
    notices: Arc<Mutex<Vec<Notice>>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(options: &ResultsOptions) -> Self {
        let (recorder, sinks) = Recorder::new(options).expect("good options");
        let (notices, is_over) = (Arc::<Mutex<Vec<Notice>>>::default(), Arc::<AtomicBool>::default());
        let run = |sink: Sink| {
            let (notices, is_over) = (Arc::clone(&notices), Arc::clone(&is_over));
            let notify = move |notice: &Notice| notices.lock().expect("no panic").push(notice.clone());
            thread::spawn(move || sink.run(&is_over, &Stop::new(), notify))
        };
        let threads = sinks.into_iter().map(run).collect();
        Self { recorder, notices, is_over, threads }
    }

    fn tell(&self, numbers: std::ops::Range<u64>) {
        numbers.for_each(|room| self.recorder.tell(&Event::RoomOpened { room }));
    }

    fn counts(&self, sink: &str) -> SinkCounts {
        self.recorder.counts().into_iter().find(|(name, _)| *name == sink).expect("one of the two").1
    }

    fn delivers(&self, sink: &str, count: u64) -> bool {
        until(|| self.counts(sink).delivered == count)
    }

    /// Ends it, and says what was told.
    fn end(self) -> Vec<Notice> {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        self.notices.lock().expect("no panic").clone()
    }
}

fn file(path: &Path) -> ResultsOptions {
    ResultsOptions { file: Some(path.to_owned()), webhook: None, waiting_max: 10_000 }
}

fn webhook(folder: &Path, to: SocketAddr, waiting_max: u32) -> ResultsOptions {
    let url = format!("http://{to}/hook");
    let webhook = WebhookOptions { url, secret: folder.join("secret"), spool: Some(folder.join("spool")) };
    ResultsOptions { file: None, webhook: Some(webhook), waiting_max }
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[test]
fn a_request_is_signed_by_the_secret_its_time_and_its_body() {
    let folder = folder("signed");
    let receiver = Receiver::start(any(), &[], Act::Take);
    let running = Running::start(&webhook(&folder, receiver.address, 100));
    running.tell(0..3);
    assert!(running.delivers("webhook", 3));
    assert_eq!(running.end(), []);
    let request = &receiver.requests()[0];
    let (time, tag) = request.signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("both");
    let tag: Vec<u8> = (0..tag.len() / 2).map(|i| u8::from_str_radix(&tag[2 * i..][..2], 16).expect("hex")).collect();
    let verify = |secret: &[u8], time: &str, body: &str| {
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), format!("{time}.{body}").as_bytes(), &tag).is_ok()
    };
    assert!(verify(SECRET, time, &request.body));
    assert!(!verify(b"another secret of thirty-two byte", time, &request.body));
    assert!(!verify(SECRET, "1", &request.body), "an old request cannot be sent again as a new one");
    assert!(!verify(SECRET, time, &request.body.replace("\"room\":0", "\"room\":9")));
    let first: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
    assert!(request.delivery.starts_with(first[0]["id"].as_str().expect("an id")), "{request:?}");
}

#[test]
fn what_is_refused_or_cut_off_is_sent_again_as_it_was() {
    let folder = folder("refused");
    let receiver = Receiver::start(any(), &[Act::Fail, Act::HangUp, Act::Fail], Act::Take);
    let running = Running::start(&webhook(&folder, receiver.address, 1_000));
    running.tell(0..1);
    assert!(until(|| !receiver.requests().is_empty()));
    // These wait for their turn: a request that is repeated stays the same.
    running.tell(1..250);
    assert!(running.delivers("webhook", 250));
    let counts = running.counts("webhook");
    assert_eq!((counts.waiting, counts.lost, counts.failed), (0, 0, 3));
    let notices = running.end();
    assert!(
        matches!(&notices[0], Notice::RecordsDelayed { sink: "webhook", error } if error.contains("500")),
        "{notices:?}"
    );
    assert_eq!(notices[1..], [Notice::RecordsDelivered { sink: "webhook" }], "each is told once");
    let requests = receiver.requests();
    assert!(requests[..4].iter().all(|request| request.delivery == requests[0].delivery));
    assert!(requests[..4].iter().all(|request| request.body == requests[0].body));
    assert_eq!(receiver.taken(), (0..250).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn a_slow_receiver_loses_nothing_up_to_the_bound_and_is_told_of_beyond() {
    let folder = folder("slow");
    let receiver = Receiver::start(any(), &[], Act::Dawdle(Duration::from_millis(100)));
    let running = Running::start(&webhook(&folder, receiver.address, 500));
    let told_at = Instant::now();
    running.tell(0..500);
    assert_eq!(running.counts("webhook").lost, 0);
    running.tell(500..2_000);
    // Telling does not wait for it: it would have taken two seconds.
    println!("{:?} for 2,000 records", told_at.elapsed());
    let lost = running.counts("webhook").lost;
    assert!((1_000..=1_500).contains(&lost), "{lost}");
    assert!(running.delivers("webhook", 2_000 - lost));
    let taken = receiver.taken();
    assert_eq!(taken[..500], (0..500).collect::<Vec<_>>());
    assert!(taken.is_sorted());
    let told = |notice: &Notice| if let Notice::RecordsLost { count, .. } = notice { *count } else { 0 };
    assert_eq!(running.end().iter().map(told).sum::<u64>(), lost);
}

#[test]
fn a_receiver_that_comes_back_gets_what_it_missed() {
    let folder = folder("back");
    let first = Receiver::start(any(), &[], Act::Take);
    let address = first.address;
    let running = Running::start(&webhook(&folder, address, 1_000));
    running.tell(0..5);
    assert!(running.delivers("webhook", 5));
    drop(first);
    running.tell(5..20);
    assert!(until(|| running.counts("webhook").failed > 0));
    let second = Receiver::start(address, &[], Act::Take);
    assert!(running.delivers("webhook", 20));
    assert_eq!(second.taken(), (5..20).collect::<Vec<_>>());
    running.end();
}

#[test]
fn what_was_not_taken_is_kept_for_the_next_start() {
    let folder = folder("restart");
    let deaf = Receiver::start(any(), &[], Act::Fail);
    let running = Running::start(&webhook(&folder, deaf.address, 1_000));
    running.tell(0..150);
    let notices = running.end();
    assert!(!notices.iter().any(|notice| matches!(notice, Notice::RecordsLost { .. })), "{notices:?}");
    assert_eq!(fs::read_to_string(folder.join("spool")).expect("it is there").lines().count(), 150);
    drop(deaf);

    let receiver = Receiver::start(any(), &[], Act::Take);
    let running = Running::start(&webhook(&folder, receiver.address, 1_000));
    running.tell(150..151);
    assert!(running.delivers("webhook", 151));
    assert_eq!(running.end(), []);
    assert_eq!(receiver.taken(), (0..151).collect::<Vec<_>>());
    assert!(!folder.join("spool").exists(), "nothing is sent a third time");
}

#[test]
fn a_server_that_ends_without_a_spool_says_what_is_lost() {
    let folder = folder("lost");
    let deaf = Receiver::start(any(), &[], Act::HangUp);
    let mut options = webhook(&folder, deaf.address, 1_000);
    options.webhook.as_mut().expect("it is set").spool = None;
    let running = Running::start(&options);
    running.tell(0..7);
    assert_eq!(running.end().last(), Some(&Notice::RecordsLost { sink: "webhook", count: 7 }));
}

#[test]
fn a_receiver_that_does_not_prove_who_it_is_gets_nothing() {
    let folder = folder("https");
    // It speaks no TLS at all.
    let listener = TcpListener::bind(any()).expect("loopback");
    let mut options = webhook(&folder, listener.local_addr().expect("loopback"), 100);
    let url = &mut options.webhook.as_mut().expect("it is set").url;
    *url = url.replace("http://", "https://");
    let running = Running::start(&options);
    running.tell(0..1);
    let (mut stream, _) = listener.accept().expect("it connects");
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).expect("it says hello");
    assert_eq!(hello[..2], [22, 3], "a handshake of TLS");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("it reads");
    assert!(until(|| running.counts("webhook").failed > 0));
    assert_eq!(running.counts("webhook").delivered, 0);
    drop((stream, listener));
    running.end();
}

#[test]
fn a_file_that_is_moved_away_is_begun_anew() {
    let folder = folder("file");
    let (path, old) = (folder.join("records.jsonl"), folder.join("records.jsonl.1"));
    let running = Running::start(&file(&path));
    running.tell(0..40);
    assert!(running.delivers("file", 40));
    fs::rename(&path, &old).expect("it is there");
    running.tell(40..50);
    assert!(running.delivers("file", 50));
    running.end();
    let lines =
        |path: &Path| fs::read_to_string(path).expect("it is there").lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((lines(&old).len(), lines(&path).len()), (40, 10));
    for (number, line) in lines(&old).iter().chain(&lines(&path)).enumerate() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record a line");
        assert_eq!((&record["event"], &record["room"]), (&"room_opened".into(), &number.into()));
        assert!(record["time_ms"].as_u64() > Some(1_500_000_000_000) && record["id"].is_string());
    }
    // What is there already stays there.
    let running = Running::start(&file(&path));
    running.tell(50..51);
    assert!(running.delivers("file", 1));
    running.end();
    assert_eq!(lines(&path).len(), 11);
}

#[test]
fn a_disk_that_takes_nothing_delays_records_and_loses_none() {
    let folder = folder("disk");
    let path = folder.join("records.jsonl");
    let running = Running::start(&file(&path));
    // A folder stands where the file was.
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("nothing is there");
    running.tell(0..3);
    assert!(until(|| running.counts("file").failed > 0));
    fs::remove_dir(&path).expect("it is empty");
    assert!(running.delivers("file", 3));
    assert_eq!(fs::read_to_string(&path).expect("it is there").lines().count(), 3);
    running.end();
}

#[test]
fn a_secret_that_is_too_short_is_refused() {
    let folder = folder("secret");
    fs::write(folder.join("secret"), "short\n").expect("a file");
    let error = Recorder::new(&webhook(&folder, any(), 100)).err().expect("it is refused").to_string();
    assert!(error.contains("holds 5 bytes; a secret has at least 32"), "{error}");
}

#[test]
fn records_read_as_they_are_documented() {
    let who = Player { player: Some(3), name: "Ada \"A\"".into(), account: Some("u-1".into()) };
    let event = Event::Left { room: 7, who, reason: "BYE", seconds: 12.5 };
    let line = record::line("9f-1", Duration::from_millis(1_700_000_000_123), &event);
    let expected = concat!(
        r#"{"id":"9f-1","time_ms":1700000000123,"event":"left","room":7,"player":3,"name":"Ada \"A\"","#,
        r#""account":"u-1","reason":"BYE","seconds":12.5}"#
    );
    assert_eq!(line, expected);
}
