//! The plots of `docs/performance.md`: CPU per client and tick over the logarithm of what grows, whole and by phase.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

use super::{Axis, Phases, Row};
use crate::BenchError;

/// In pixels; legible in either mode of a browser, so it brings its own background.
const SIZE: (u32, u32) = (760, 380);

/// The legend stands above all lines.
const HEADROOM: f64 = 1.55;

/// Writes a plot for each axis into `folder`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(folder: &Path, rows: &[Row]) -> Result<(), BenchError> {
    fs::create_dir_all(folder).map_err(|error| fail(folder, &error))?;
    for axis in [Axis::Clients, Axis::Entities, Axis::Rooms] {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.axis == axis).collect();
        let path = folder.join(format!("{}.svg", axis.name()));
        fs::write(&path, svg(axis, &rows).map_err(|error| fail(&path, &error))?)
            .map_err(|error| fail(&path, &error))?;
    }
    Ok(())
}

fn fail(path: &Path, error: &dyn Display) -> BenchError {
    BenchError::Page(format!("{}: {error}", path.display()))
}

/// A line of the plot.
struct Series {
    name: &'static str,
    color: RGBColor,
    width: u32,
    /// Of a row, if it has one.
    of: fn(&Row) -> Option<f64>,
}

const SERIES: [Series; 6] = [
    Series { name: "CPU in all", color: BLACK, width: 3, of: |row| Some(row.cpu_us_per_client_tick) },
    Series { name: "receive", color: RGBColor(31, 119, 180), width: 2, of: |row| phase(row, |of| of.receive) },
    Series { name: "encode", color: RGBColor(214, 39, 40), width: 2, of: |row| phase(row, |of| of.encode) },
    Series { name: "flush", color: RGBColor(44, 160, 44), width: 2, of: |row| phase(row, |of| of.flush) },
    Series { name: "interest", color: RGBColor(148, 103, 189), width: 2, of: |row| phase(row, |of| of.interest) },
    Series { name: "step, capture", color: RGBColor(255, 127, 14), width: 2, of: |row| phase(row, |of| of.world) },
];

fn phase(row: &Row, of: fn(&Phases) -> f64) -> Option<f64> {
    row.phases_us.as_ref().map(of)
}

/// The plot of one axis.
fn svg(axis: Axis, rows: &[&Row]) -> Result<String, Box<dyn std::error::Error>> {
    let mut text = String::new();
    let most = rows.iter().map(|row| row.cpu_us_most).fold(0.0, f64::max);
    let (first, last) = (rows.first().map_or(1, |row| row.size()), rows.last().map_or(2, |row| row.size()));
    let drawing = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    drawing.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&drawing)
        .margin(12)
        .margin_right(30)
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(
            (first..last).log_scale().with_key_points(rows.iter().map(|row| row.size()).collect()),
            0.0..most * HEADROOM,
        )?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(axis.name()).y_desc("µs per client and tick").draw()?;
    for Series { name, color, width, of } in SERIES {
        let points: Vec<_> = rows.iter().filter_map(|row| Some((row.size(), of(row)?))).collect();
        if points.is_empty() {
            continue;
        }
        let style = color.stroke_width(width);
        let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style);
        chart.draw_series(LineSeries::new(points.clone(), style))?.label(name).legend(legend);
        chart.draw_series(points.into_iter().map(|at| Circle::new(at, width + 1, color.filled())))?;
    }
    // The least and the most of the rounds.
    let spans = rows.iter().map(|row| [(row.size(), row.cpu_us_least), (row.size(), row.cpu_us_most)]);
    chart.draw_series(spans.map(|span| PathElement::new(span, BLACK.stroke_width(1))))?;
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).background_style(WHITE).draw()?;
    drop(chart);
    drawing.present()?;
    drop(drawing);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_figure_that_its_rows_have() {
        let row = |clients: u16, cpu: f64| Row {
            axis: Axis::Clients,
            clients,
            entities: 200,
            rooms: 1,
            cpu_us_per_client_tick: cpu,
            cpu_us_least: cpu - 0.5,
            cpu_us_most: cpu + 1.0,
            ratio_to_first: 1.0,
            tick_work_us_p99: None,
            phases_us: Some(Phases { receive: 3.0, world: 0.5, interest: 1.0, encode: 3.0, flush: 2.0 }),
            rounds: 5,
        };
        let rows = [row(64, 10.0), row(256, 9.0), row(1_000, 9.5)];
        let lines = |rows: &[Row]| {
            let svg = svg(Axis::Clients, &rows.iter().collect::<Vec<_>>()).expect("text is written");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            SERIES.iter().filter(|series| svg.contains(series.name)).count()
        };
        assert_eq!(lines(&rows), SERIES.len());
        assert_eq!(lines(&rows.map(|row| Row { phases_us: None, ..row })), 1);
    }
}
