//! Samples, tables, and how goward did against what it must do.

use std::fmt;

/// The figures of one subject, in nanoseconds.
#[derive(Clone, Default)]
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    pub(crate) fn push(&mut self, sample: u64) {
        let at = self.0.partition_point(|other| *other <= sample);
        self.0.insert(at, sample);
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.percentile(99)
    }

    /// How far the median may be off, as a part of it: half of its 95 % confidence interval, by order statistics,
    /// which asks nothing of the distribution.
    pub(crate) fn error(&self) -> f64 {
        let (half, reach) = (self.0.len() as f64 / 2.0, 0.98 * (self.0.len() as f64).sqrt());
        let at = |rank: f64| self.0.get(rank as usize).or(self.0.last()).map_or(f64::NAN, |sample| *sample as f64);
        (at((half + reach).ceil()) - at((half - reach).max(0.0))) / 2.0 / self.median()
    }

    /// Puts another's samples among these.
    pub(crate) fn extend(&mut self, other: Self) {
        other.0.into_iter().for_each(|sample| self.push(sample));
    }

    /// The smallest sample that so many percent do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(f64::NAN, |sample| *sample as f64)
    }
}

/// Nanoseconds, for people.
pub(crate) fn micros(nanoseconds: f64) -> String {
    format!("{:.1} µs", nanoseconds / 1e3)
}

/// See [`micros`].
pub(crate) fn millis(nanoseconds: f64) -> String {
    format!("{:.1} ms", nanoseconds / 1e6)
}

/// An error of a median.
pub(crate) fn plus_minus(part: f64) -> String {
    format!("± {:.1} %", part * 100.0)
}

/// A title, a header, and rows whose first column is a name.
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, header: &[&str]) -> Self {
        Self { title: title.into(), rows: vec![header.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
        for row in &self.rows {
            f.write_str("\n ")?;
            for (column, cell) in row.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                match column {
                    0 => write!(f, " {cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
        }
        Ok(())
    }
}

/// One thing that goward must be, and what it was.
pub(crate) struct Verdict {
    pub(crate) what: &'static str,
    pub(crate) figure: f64,
    /// By how much the figure may be off.
    pub(crate) error: f64,
    pub(crate) limit: f64,
    /// What the figure counts.
    pub(crate) unit: &'static str,
}

/// The unit of a figure that is relative to the fastest peer's.
pub(crate) const OF_PEER: &str = "× fastest peer";

impl Verdict {
    /// About what is counted, not timed.
    pub(crate) fn counted(what: &'static str, figure: f64, limit: f64, unit: &'static str) -> Self {
        Self { what, figure, error: 0.0, limit, unit }
    }

    pub(crate) fn table(verdicts: &[Self]) -> Table {
        let mut table = Table::new("goward against its targets", &["", "measured", "target", ""]);
        for Self { what, figure, error, limit, unit } in verdicts {
            let met = match figure {
                _ if figure <= limit => "met",
                // Two equals of whom one is measured a little slower, as one of them always is.
                _ if figure - error <= *limit => "even",
                _ => "missed",
            };
            let measured = if *unit == OF_PEER { format!("{figure:.2} ± {error:.2}") } else { format!("{figure:.0}") };
            table.row(vec![(*what).to_owned(), measured, format!("≤ {limit} {unit}"), met.to_owned()]);
        }
        table
    }
}
