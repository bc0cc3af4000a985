//! One screen while a run goes on: what a player feels now, and how it came about.
//!
//! The loop of the bots must not wait for a terminal, which can be as slow as whoever reads it: a thread of its own draws, and
//! what it has not drawn when the next second is over is left out.

mod screen;

use std::io::{self, Stderr, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use self::screen::Screen;
use crate::progress::Progress;

/// How often keys are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Seconds that wait to be drawn.
const WAITING_MAX: usize = 4;

/// A screen on the standard error, until it is dropped.
#[derive(Debug)]
pub struct Live {
    /// `None` once it is to end.
    to: Option<SyncSender<Progress>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Takes the terminal over. `title` says what is run, and `seconds` for how long; Ctrl-C, `q` and Esc set `stop`.
    ///
    /// # Errors
    /// When there is no terminal that could be drawn on.
    pub fn start(title: &str, seconds: f64, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let (to, told) = sync_channel(WAITING_MAX);
        let (terminal, screen) = (Taken::new()?, Screen::new(title, seconds));
        let draw = move || draw_until_told(terminal, screen, &told, &stop);
        let thread = std::thread::Builder::new().name("live view".to_owned()).spawn(draw)?;
        Ok(Self { to: Some(to), thread: Some(thread) })
    }

    /// Shows a second. It never waits: where the terminal is slower, seconds are left out.
    pub fn tell(&self, progress: &Progress) {
        if let Some(to) = &self.to {
            let _ = to.try_send(progress.clone());
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.to = None;
        self.thread.take().into_iter().for_each(|thread| _ = thread.join());
    }
}

/// The terminal, which is given back whatever happens.
struct Taken(Terminal<CrosstermBackend<Stderr>>);

impl Taken {
    fn new() -> io::Result<Self> {
        enable_raw_mode()?;
        let entered =
            execute!(stderr(), EnterAlternateScreen).and_then(|()| Terminal::new(CrosstermBackend::new(stderr())));
        entered.map(Self).inspect_err(|_| give_back())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
        give_back();
    }
}

fn give_back() {
    // There is nobody left to tell.
    let _ = execute!(stderr(), LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

fn draw_until_told(mut terminal: Taken, mut screen: Screen, told: &Receiver<Progress>, stop: &AtomicBool) {
    let mut is_stale = true;
    loop {
        match told.recv_timeout(LOOK_EVERY) {
            Ok(progress) => {
                screen.push(progress);
                is_stale = true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while event::poll(Duration::ZERO).unwrap_or(false) {
            match event::read() {
                Ok(key) if is_end(&key) => {
                    stop.store(true, Ordering::Relaxed);
                    screen.end();
                    is_stale = true;
                }
                Ok(Event::Resize(..)) => is_stale = true,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        if std::mem::take(&mut is_stale) && terminal.0.draw(|frame| screen.draw(frame)).is_err() {
            // The run does not end for a terminal that is gone.
            return;
        }
    }
}

/// In raw mode Ctrl-C is a key like any other.
fn is_end(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}
