//! What is drawn: a head, and a panel for each figure with its last minutes as a sparkline.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Paragraph, Sparkline};

use crate::progress::Progress;
use crate::series::{SeriesRow, Spread};

/// Seconds that are remembered: as many as the widest panel shows.
const HISTORY: usize = 300;

/// Columns that a panel takes at least, so that its words fit; and its lines, one of words, the rest of bars.
const PANEL_WIDTH: u16 = 38;
const PANEL_HEIGHT: u16 = 4;

/// A run as it is shown.
#[derive(Debug)]
pub(super) struct Screen {
    title: String,
    seconds: f64,
    now: Progress,
    rows: VecDeque<SeriesRow>,
    ends: bool,
}

/// One figure.
struct Panel {
    title: &'static str,
    /// What the bars show.
    bar: fn(&SeriesRow) -> Option<f64>,
    /// The same, and what belongs to it, in words.
    words: fn(&SeriesRow) -> Option<String>,
    color: Color,
}

const PANELS: &[Panel] = &[
    Panel {
        title: "clients",
        bar: |row| Some(row.clients as f64),
        words: |row| Some(row.clients.to_string()),
        color: Color::Cyan,
    },
    Panel {
        title: "round trip",
        bar: |row| p99(row.rtt_ms),
        words: |row| spread(row.rtt_ms, "ms"),
        color: Color::Green,
    },
    Panel {
        title: "input to ack",
        bar: |row| p99(row.input_to_ack_ms),
        words: |row| spread(row.input_to_ack_ms, "ms"),
        color: Color::Green,
    },
    Panel {
        title: "input to visible",
        bar: |row| p99(row.input_to_visible_ms),
        words: |row| spread(row.input_to_visible_ms, "ms"),
        color: Color::Green,
    },
    Panel {
        title: "snapshots",
        bar: |row| each(row, row.snapshots_per_s),
        words: |row| Some(format!("{:.1}/s each", each(row, row.snapshots_per_s)?)),
        color: Color::Blue,
    },
    Panel {
        title: "ran dry",
        bar: |row| row.starved_ratio,
        words: |row| Some(format!("{:.2} %", 100.0 * row.starved_ratio?)),
        color: Color::Yellow,
    },
    Panel {
        title: "mispredictions",
        bar: |row| Some(row.mispredictions as f64),
        words: |row| Some(format!("{:.0}/s", row.mispredictions as f64 / row.seconds.max(0.001))),
        color: Color::Yellow,
    },
    Panel {
        title: "down",
        bar: |row| Some(row.down_bytes_per_s),
        words: |row| bytes(row, row.down_bytes_per_s),
        color: Color::Magenta,
    },
    Panel {
        title: "up",
        bar: |row| Some(row.up_bytes_per_s),
        words: |row| bytes(row, row.up_bytes_per_s),
        color: Color::Magenta,
    },
    Panel {
        title: "bots late",
        bar: |row| row.bots_late_us_p99,
        words: |row| Some(format!("{:.2} ms p99", row.bots_late_us_p99? / 1e3)),
        color: Color::Gray,
    },
    Panel {
        title: "server tick work",
        bar: |row| p99(row.server_tick_us),
        words: |row| spread(row.server_tick_us, "us"),
        color: Color::Red,
    },
];

fn p99(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.p99)
}

fn spread(spread: Option<Spread>, unit: &str) -> Option<String> {
    spread.map(|Spread { p50, p99 }| {
        let digits = if p99 < 100.0 { 1 } else { 0 };
        format!("{p50:.digits$} {unit} p50, {p99:.digits$} p99")
    })
}

fn each(row: &SeriesRow, value: f64) -> Option<f64> {
    let clients = row.clients_mean.unwrap_or(row.clients as f64);
    (clients > 0.0).then(|| value / clients)
}

fn bytes(row: &SeriesRow, per_second: f64) -> Option<String> {
    Some(format!("{:.0} kB/s, {:.2} each", per_second / 1e3, each(row, per_second)? / 1e3))
}

impl Screen {
    pub(super) fn new(title: &str, seconds: f64) -> Self {
        let title = title.chars().filter(|char| !char.is_control()).collect();
        Self { title, seconds, now: Progress::default(), rows: VecDeque::new(), ends: false }
    }

    /// The next second.
    pub(super) fn push(&mut self, progress: Progress) {
        if self.rows.len() == HISTORY {
            self.rows.pop_front();
        }
        self.rows.push_back(progress.row);
        self.now = progress;
    }

    /// It was told to end.
    pub(super) const fn end(&mut self) {
        self.ends = true;
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let [head, gauge, _, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(), head);
        frame.render_widget(self.gauge(), gauge);
        let shown: Vec<_> = PANELS.iter().filter(|panel| self.has(panel)).collect();
        for (panel, area) in shown.into_iter().zip(grid(body)) {
            self.panel(frame, panel, area);
        }
        let foot_text = if self.ends { "ending: bots leave" } else { "q or Ctrl-C ends the run and prints its report" };
        frame.render_widget(Line::from(foot_text).dim(), foot);
    }

    /// Whether a panel has had anything to show; those that wait for their first figure keep their place.
    fn has(&self, panel: &Panel) -> bool {
        panel.title != "server tick work" || self.rows.iter().any(|row| (panel.bar)(row).is_some())
    }

    fn head(&self) -> Line<'_> {
        let Progress { playing, asked, failed, .. } = &self.now;
        let mut head =
            vec![Span::from(self.title.as_str()).bold(), Span::from(format!("   {playing}/{asked} clients"))];
        if *failed > 0 {
            head.push(Span::from(format!("   {failed} failed")).fg(Color::Red).add_modifier(Modifier::BOLD));
        }
        Line::from(head)
    }

    fn gauge(&self) -> Gauge<'_> {
        let played = self.now.played_s.clamp(0.0, self.seconds.max(0.0));
        let stage = self.now.stage.name();
        let phase = self.now.phase.as_ref().map_or_else(String::new, |phase| format!("{phase}  "));
        let ratio = if self.seconds > 0.0 { played / self.seconds } else { 0.0 };
        let label = format!("{stage}  {phase}{played:.0} of {:.0} s", self.seconds);
        Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label).gauge_style(Style::new().fg(Color::Blue))
    }

    fn panel(&self, frame: &mut Frame<'_>, panel: &Panel, area: Rect) {
        let [words, bars] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let newest = self.rows.back().and_then(panel.words).unwrap_or_else(|| "-".to_owned());
        let line = Line::from(vec![Span::from(format!("{:17}", panel.title)).dim(), Span::from(newest).bold()]);
        frame.render_widget(Paragraph::new(line), words);
        let first = self.rows.len().saturating_sub(usize::from(bars.width));
        // Bars are whole numbers; of a share or a few milliseconds a thousandth is fine enough.
        let data: Vec<Option<u64>> =
            self.rows.range(first..).map(|row| (panel.bar)(row).map(|value| (value * 1e3) as u64)).collect();
        frame.render_widget(Sparkline::default().data(data).style(Style::new().fg(panel.color)), bars);
    }
}

/// Places for panels, row by row.
fn grid(area: Rect) -> Vec<Rect> {
    let columns = (area.width / PANEL_WIDTH).clamp(1, 4);
    let rows = area.height / PANEL_HEIGHT;
    let lines = Layout::vertical(vec![Constraint::Length(PANEL_HEIGHT); usize::from(rows)]).split(area);
    let places = lines.iter().flat_map(|line| {
        let split = Layout::horizontal(vec![Constraint::Fill(1); usize::from(columns)]).spacing(2).split(*line);
        split.to_vec()
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::RunStage;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn second(n: u32, stage: RunStage) -> Progress {
        let clients = 16;
        let row = SeriesRow {
            seconds: 1.0,
            clients,
            rtt_ms: Some(Spread { p50: 6.4, p99: 9.25 }),
            input_to_ack_ms: Some(Spread { p50: 6.5, p99: 8.0 + f64::from(n) }),
            snapshots_per_s: 960.0,
            mispredictions: u64::from(n),
            down_bytes_per_s: 96_000.0,
            ..SeriesRow::default()
        };
        let played_s = if stage == RunStage::Joining { 0.0 } else { f64::from(n) - 3.0 };
        Progress {
            elapsed_s: f64::from(n),
            played_s,
            stage,
            asked: 17,
            playing: 16,
            failed: 1,
            row,
            ..Progress::default()
        }
    }

    fn drawn(screen: &Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        terminal.draw(|frame| screen.draw(frame)).expect("memory");
        terminal.backend().to_string()
    }

    fn screen() -> Screen {
        let mut screen = Screen::new("arena on\u{1b}[31m 127.0.0.1:4433", 10.0);
        (1..=3).for_each(|n| screen.push(second(n, RunStage::Joining)));
        (4..=9).for_each(|n| screen.push(second(n, RunStage::Measuring)));
        screen
    }

    #[test]
    fn a_screen_tells_the_newest_second_and_how_it_came_about() {
        let mut screen = screen();
        let text = drawn(&screen, 120, 30);
        for word in [
            "arena on[31m 127.0.0.1:4433   16/17 clients   1 failed",
            "measuring  6 of 10 s",
            "6.4 ms p50, 9.2 p99",
            "6.5 ms p50, 17.0 p99",
            "60.0/s each",
            "9/s",
            "96 kB/s, 6.00 each",
            "▂",
            "q or Ctrl-C ends the run",
        ] {
            assert!(text.contains(word), "no `{word}` in\n{text}");
        }
        assert!(!text.contains("server tick work"), "nobody asked the server:\n{text}");
        let mut asked = second(10, RunStage::Measuring);
        asked.row.server_tick_us = Some(Spread { p50: 311.0, p99: 609.0 });
        screen.push(asked);
        assert!(drawn(&screen, 120, 30).contains("311 us p50, 609 p99"));
        screen.end();
        assert!(drawn(&screen, 120, 30).contains("ending"));
    }

    #[test]
    fn where_phases_say_how_long_a_run_lasts_the_gauge_ends_with_them_and_names_them() {
        let mut screen = Screen::new("storm", 22.0);
        let at = |played_s, phase: &str| Progress {
            played_s,
            phase: Some(phase.to_owned()),
            ..second(9, RunStage::Measuring)
        };
        screen.push(at(11.0, "rush"));
        let text = drawn(&screen, 80, 24);
        assert!(text.contains("measuring  rush  11 of 22 s"), "{text}");
        screen.push(at(22.004, "calm"));
        let text = drawn(&screen, 80, 24);
        assert!(text.contains("measuring  calm  22 of 22 s"), "{text}");
    }

    #[test]
    fn any_terminal_and_any_figure_can_be_drawn() {
        let mut screen = screen();
        let mut odd = second(10, RunStage::Measuring);
        odd.row = SeriesRow {
            rtt_ms: Some(Spread { p50: f64::NAN, p99: f64::INFINITY }),
            down_bytes_per_s: -1.0,
            ..SeriesRow::default()
        };
        odd.played_s = f64::MAX;
        screen.push(odd);
        for (width, height) in [(1, 1), (2, 40), (40, 2), (37, 9), (80, 24), (500, 100)] {
            assert_ne!(drawn(&screen, width, height), "");
        }
        assert_ne!(drawn(&Screen::new("", 0.0), 80, 24), "");
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut screen = Screen::new("", 10.0);
        (0..2_000).for_each(|n| screen.push(second(n, RunStage::Measuring)));
        assert_eq!(screen.rows.len(), HISTORY);
    }
}
