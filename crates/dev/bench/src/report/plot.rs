//! Plots as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    coord::ranged1d::{Ranged, ValueFormatter},
    coord::types::RangedCoordf64,
    prelude::*,
};

const SIZE: (u32, u32) = (760, 420);
/// Colours that remain distinguishable with red-green colour blindness (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(128, 128, 128),
];

/// A plot of several lines with common axes.
pub(crate) struct Plot {
    /// The file name without its extension.
    pub(crate) file: &'static str,
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) x_logarithmic: bool,
    pub(crate) lines: Vec<PlotLine>,
}

/// One line of a plot: its name and its points.
pub(crate) struct PlotLine {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Plot {
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(self.file).with_extension("svg");
        self.draw(&path).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let (from, to) = all().fold((f64::MAX, f64::MIN), |(from, to), point| (from.min(point.0), to.max(point.0)));
        // The legend is in the upper left corner, which growing lines leave free; other plots need additional room.
        let room = if self.x_logarithmic { 1.8 } else { 1.1 };
        let top = all().fold(0.0, |top: f64, point| top.max(point.1)) * room;
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area);
        chart
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .margin_right(36)
            .x_label_area_size(42)
            .y_label_area_size(64);
        // The two scales have different chart types.
        if self.x_logarithmic {
            self.draw_lines(chart.build_cartesian_2d((from..to).log_scale(), 0.0..top)?)?;
        } else {
            self.draw_lines(chart.build_cartesian_2d(0.0..to, 0.0..top)?)?;
        }
        area.present()?;
        Ok(())
    }

    fn draw_lines<'a, X>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, RangedCoordf64>>,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let whole = |x: &f64| format!("{x:.0}");
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.x).y_desc(self.y).x_label_formatter(&whole).light_line_style(WHITE).draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points = line.points.iter().copied();
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
                .label(&line.name)
                .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        let mut legend = chart.configure_series_labels();
        legend.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
        Ok(())
    }
}
