//! Recall against queries per second as SVG: one line for each peer, the scale of speed
//! logarithmic.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 200.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 60.0;
/// Points below are of no use to anybody, and would press the others together.
const RECALL_FLOOR: f64 = 0.85;
const COLOURS: [&str; 10] = [
    "#1b6ca8", "#d1495b", "#2e8b57", "#e08e0b", "#7b4fa3", "#00798c", "#8d5524", "#555555",
    "#c2549d", "#6a994e",
];

/// Results over the same vectors.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    rows: u64,
    dim: u64,
    k: u64,
    data: String,
    curves: Vec<Curve>,
}

#[derive(Debug, Clone, PartialEq)]
struct Curve {
    peer: String,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    recall: f64,
    qps: f64,
}

/// Writes a picture of results of our own and of those in files.
pub(crate) fn write(to: &Path, own: Option<&Value>, beside: &[PathBuf]) -> Result<()> {
    let mut pictures: Vec<Picture> = own.map(Picture::of).transpose()?.into_iter().collect();
    for path in beside {
        pictures.extend(read(path).with_context(|| format!("cannot draw {}", path.display()))?);
    }
    let picture = Picture::joined(pictures)?;
    std::fs::write(to, picture.svg()).with_context(|| format!("cannot write {}", to.display()))
}

/// The results in a file: one document, or lines of which some are results.
fn read(path: &Path) -> Result<Vec<Picture>> {
    let text = std::fs::read_to_string(path)?;
    if let Ok(whole) = serde_json::from_str(&text) {
        return Ok(vec![Picture::of(&whole)?]);
    }
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let pictures: Result<Vec<_>> =
        lines.filter(|line| line["points"].is_array()).map(|line| Picture::of(&line)).collect();
    let pictures = pictures?;
    ensure!(!pictures.is_empty(), "it is neither a document of JSON nor has lines with `points`");
    Ok(pictures)
}

impl Picture {
    /// Reads a line of our own, or a document of the peers.
    fn of(result: &Value) -> Result<Self> {
        let (data, dim, k) = if let Value::String(name) = &result["data"] {
            (name.as_str(), &result["dim"], &result["k"])
        } else {
            let data = &result["data"];
            let name = data["name"].as_str().context("`data` has no name")?;
            (name, &data["dimension"], &result["settings"]["k"])
        };
        let rows = result["rows"].as_u64().or_else(|| result["data"]["rows"].as_u64());
        let peers = result["summary"].as_array();
        let peers = peers.map_or_else(|| std::slice::from_ref(result), Vec::as_slice);
        Ok(Self {
            rows: rows.context("it does not say how many rows there are")?,
            dim: dim.as_u64().context("it does not say the dimension")?,
            k: k.as_u64().context("it does not say k")?,
            data: data.to_owned(),
            curves: peers.iter().map(Curve::of).collect::<Result<_>>()?,
        })
    }

    /// Puts the curves of all into one. Of two with one name the later is told apart.
    fn joined(pictures: Vec<Self>) -> Result<Self> {
        let mut pictures = pictures.into_iter();
        let mut all = pictures.next().context("nothing to draw; name results with --beside")?;
        for next in pictures {
            let (one, other) = (all.title(), next.title());
            ensure!(one == other, "results of different data: {one}, and {other}");
            for mut curve in next.curves {
                let name = curve.peer.clone();
                for number in 2.. {
                    if all.curves.iter().all(|known| known.peer != curve.peer) {
                        break;
                    }
                    curve.peer = format!("{name} ({number})");
                }
                all.curves.push(curve);
            }
        }
        Ok(all)
    }

    fn title(&self) -> String {
        format!("{}: {} vectors of {} components", self.data, thousands(self.rows), self.dim)
            + &format!(", k = {}", self.k)
    }

    fn svg(&self) -> String {
        let shown: Vec<Curve> = self.curves.iter().filter_map(Curve::visible).collect();
        let axes = Axes::over(&shown);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut svg, (LEFT, 28.0), "font-size=\"15\"", &self.title());
        axes.draw(&mut svg, self.k);
        for ((number, curve), colour) in (0..).zip(&shown).zip(COLOURS.iter().cycle()) {
            curve.draw(&mut svg, &axes, colour, f64::from(number));
        }
        svg + "</svg>\n"
    }
}

impl Curve {
    fn of(result: &Value) -> Result<Self> {
        let peer = result["peer"].as_str().unwrap_or("own").to_owned();
        let Value::Array(points) = &result["points"] else { bail!("{peer} has no `points`") };
        let mark = |point: &Value| {
            Some(Mark { recall: point["recall"].as_f64()?, qps: point["qps"].as_f64()? })
        };
        let mut marks: Vec<Mark> = points.iter().filter_map(mark).collect();
        marks.retain(|mark| mark.qps > 0.0);
        Ok(Self { peer, marks })
    }

    /// The part above the floor, if there is one.
    fn visible(&self) -> Option<Self> {
        let mut curve = self.clone();
        curve.marks.retain(|mark| mark.recall >= RECALL_FLOOR);
        (!curve.marks.is_empty()).then_some(curve)
    }

    fn draw(&self, svg: &mut String, axes: &Axes, colour: &str, number: f64) {
        let places: Vec<(f64, f64)> =
            self.marks.iter().map(|mark| (axes.x(mark.recall), axes.y(mark.qps))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        element(
            svg,
            format_args!(
                "polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\""
            ),
        );
        for (x, y) in places {
            element(
                svg,
                format_args!("circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\""),
            );
        }
        let (x, y) = (WIDTH - RIGHT + 20.0, TOP + 14.0 + number * 20.0);
        line(svg, (x, y), (x + 22.0, y), &format!("stroke=\"{colour}\" stroke-width=\"3\""));
        text(svg, (x + 30.0, y + 4.0), "", &self.peer);
    }
}

struct Axes {
    recall_low: f64,
    qps_low: f64,
    qps_high: f64,
}

impl Axes {
    /// Just wide enough: recall from a whole percent to 1.
    fn over(curves: &[Curve]) -> Self {
        let marks = || curves.iter().flat_map(|curve| &curve.marks);
        let recall_min = marks().map(|mark| mark.recall).fold(0.99, f64::min);
        let qps_min = marks().map(|mark| mark.qps).fold(f64::INFINITY, f64::min);
        let qps_max = marks().map(|mark| mark.qps).fold(0.0, f64::max);
        let (qps_min, qps_max) = if qps_max > 0.0 { (qps_min, qps_max) } else { (1.0, 10.0) };
        Self {
            recall_low: (recall_min * 100.0 - 1e-9).floor() / 100.0,
            qps_low: qps_min * 0.85,
            qps_high: qps_max * 1.15,
        }
    }

    fn x(&self, recall: f64) -> f64 {
        let share = (recall - self.recall_low) / (1.0 - self.recall_low);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, qps: f64) -> f64 {
        let share = (qps / self.qps_low).ln() / (self.qps_high / self.qps_low).ln();
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn draw(&self, svg: &mut String, k: u64) {
        const GRID: &str = "stroke=\"#dddddd\"";
        const EDGE: &str = "stroke=\"#888888\"";
        const END: &str = "text-anchor=\"end\"";
        const MIDDLE: &str = "text-anchor=\"middle\"";
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for percent in (0..=100_u32).rev() {
            let recall = f64::from(percent) / 100.0;
            if recall < self.recall_low - 1e-9 {
                break;
            }
            let x = self.x(recall);
            line(svg, (x, TOP), (x, bottom), GRID);
            if percent % 2 == 0 || self.recall_low > 0.95 {
                text(svg, (x, bottom + 18.0), MIDDLE, &format!("{recall:.2}"));
            }
        }
        for digit_and_power in (0..8).flat_map(|power| [1, 2, 3, 5, 7].map(|digit| (digit, power)))
        {
            let qps = digit_and_power.0 * 10_u32.pow(digit_and_power.1);
            let y = self.y(f64::from(qps));
            if (TOP..=bottom).contains(&y) {
                line(svg, (LEFT, y), (right, y), GRID);
                text(svg, (LEFT - 8.0, y + 4.0), END, &thousands(qps.into()));
            }
        }
        line(svg, (LEFT, TOP), (LEFT, bottom), EDGE);
        line(svg, (LEFT, bottom), (right, bottom), EDGE);
        let (across, down) = (f64::midpoint(LEFT, right), f64::midpoint(TOP, bottom));
        text(svg, (across, HEIGHT - 18.0), MIDDLE, &format!("recall@{k}"));
        let turned = format!("{MIDDLE} transform=\"rotate(-90 20 {down})\"");
        text(svg, (20.0, down), &turned, "queries per second, one thread");
    }
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), attributes: &str) {
    element(
        svg,
        format_args!(
            "line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {attributes}"
        ),
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), attributes: &str, said: &str) {
    let said = said.replace('&', "&amp;").replace('<', "&lt;");
    // Writing to a text never fails.
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"#222222\" {attributes}>{said}</text>")
        .unwrap_or_default();
}

fn element(svg: &mut String, tag: std::fmt::Arguments<'_>) {
    writeln!(svg, "<{tag}/>").unwrap_or_default();
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
