//! Rows for the parts of a scenario: its phases and its groups.

use std::fmt;

use super::NONE;
use crate::percentiles::Percentiles;
use crate::report::{GroupReport, Report};

/// A row for each phase.
pub(super) fn phases(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if report.phases.is_empty() {
        return Ok(());
    }
    let columns = ["joining p50", "joining p99", "rtt p50", "ack p50", "ack p99", "visible p50", "visible p99"];
    write!(f, "\n{:17}{:9}{:>8}{:>8}", "phase", "kind", "from s", "to s")?;
    columns.iter().try_for_each(|column| write!(f, "{column:>12}"))?;
    writeln!(f)?;
    for phase in &report.phases {
        write!(f, "{:17}{:9}{:>8.1}{:>8.1}", phase.name, phase.kind, phase.begin_s, phase.end_s)?;
        let [join, rtt, ack] = [phase.join_ms, phase.rtt_ms, phase.input_to_ack_ms];
        let visible = phase.input_to_visible_ms;
        let figures = [p50(join), p99(join), p50(rtt), p50(ack), p99(ack), p50(visible), p99(visible)];
        figures.into_iter().try_for_each(|figure| write!(f, "{:>12}", ms(figure)))?;
        writeln!(f, "   ms")?;
    }
    Ok(())
}

/// A row for each group.
pub(super) fn groups(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if report.groups.is_empty() {
        return Ok(());
    }
    write!(f, "\n{:17}{:>9}{:>7}", "group", "clients", "lost")?;
    ["rtt p50", "ack p50", "ack p99"].iter().try_for_each(|column| write!(f, "{column:>9}"))?;
    ["visible p50", "visible p99"].iter().try_for_each(|column| write!(f, "{column:>13}"))?;
    writeln!(f)?;
    report.groups.iter().try_for_each(|group| row(f, group))?;
    if report.groups.iter().any(|group| group.input_to_visible_ms.is_some()) {
        writeln!(
            f,
            "visible: from a group's own inputs to the screens of others, so those count whose lines are better or worse"
        )?;
    } else if report.groups.iter().any(|group| group.input_to_ack_ms.is_some()) {
        writeln!(
            f,
            "visible: not measured, since nobody was shown another one's avatar (games may keep them private)"
        )?;
    }
    Ok(())
}

fn row(f: &mut fmt::Formatter<'_>, group: &GroupReport) -> fmt::Result {
    let light = group.light.unwrap_or_default();
    let (asked, lost) = (group.clients.asked + light.asked, group.clients.lost + light.lost);
    write!(f, "{:17}{asked:>9}{lost:>7}", group.name)?;
    let [rtt, ack, visible] = [group.rtt_ms, group.input_to_ack_ms, group.input_to_visible_ms];
    [p50(rtt), p50(ack), p99(ack)].into_iter().try_for_each(|figure| write!(f, "{:>9}", ms(figure)))?;
    [p50(visible), p99(visible)].into_iter().try_for_each(|figure| write!(f, "{:>13}", ms(figure)))?;
    let hostile = if group.hostile_bots > 0 { format!("; {} hostile", group.hostile_bots) } else { String::new() };
    writeln!(f, "   ms; {}, network {}{hostile}", group.brain, group.net)
}

fn p50(told: Option<Percentiles>) -> Option<f64> {
    told.map(|told| told.p50)
}

fn p99(told: Option<Percentiles>) -> Option<f64> {
    told.map(|told| told.p99)
}

fn ms(figure: Option<f64>) -> String {
    figure.map_or(NONE.to_owned(), |ms| format!("{ms:.1}"))
}
