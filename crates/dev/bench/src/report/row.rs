//! One row of the table: a measurement with its limit and its goal.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::sampling::{Comparison, Sample};

/// The goal of a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// At least this fraction of the limit.
    Ratio(f64),
    /// At most this multiple of the limit.
    AtMostTimes(f64),
    /// At most this value, in the row's unit.
    AtMost(f64),
    /// No goal: the value is only published.
    None,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    measure: String,
    unit: &'static str,
    value: f64,
    limit: Option<f64>,
    /// The median over the rounds of the ratio between our value and the limit in the same round.
    ratio: Option<f64>,
    /// The range of the rounds' ratios (or values, without a limit) relative to their median.
    spread: f64,
    goal: Goal,
    note: String,
}

impl Row {
    /// Creates a row without a limit.
    pub(crate) fn value(measure: impl Into<String>, unit: &'static str, sample: Sample, goal: Goal) -> Self {
        let spread = sample.spread();
        Self {
            measure: measure.into(),
            unit,
            value: sample.median,
            limit: None,
            ratio: None,
            spread,
            goal,
            note: String::new(),
        }
    }

    /// Creates a row with a limit.
    pub(crate) fn comparison(
        measure: impl Into<String>,
        unit: &'static str,
        comparison: &Comparison,
        goal: Goal,
    ) -> Self {
        Self {
            measure: measure.into(),
            unit,
            value: comparison.ours.median,
            limit: Some(comparison.limit.median),
            ratio: Some(comparison.ratio.median),
            spread: comparison.ratio.spread(),
            goal,
            note: String::new(),
        }
    }

    /// Adds a remark that explains the limit, or the gap to it.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(crate) fn is_met(&self) -> Option<bool> {
        match (self.goal, self.ratio) {
            (Goal::Ratio(goal), Some(ratio)) => Some(ratio >= goal),
            (Goal::AtMostTimes(goal), Some(ratio)) => Some(ratio <= goal),
            (Goal::AtMost(goal), _) => Some(self.value <= goal),
            (Goal::None | Goal::Ratio(_) | Goal::AtMostTimes(_), _) => None,
        }
    }

    fn goal(&self) -> Option<String> {
        match self.goal {
            Goal::Ratio(goal) => Some(format!("ratio >= {goal}")),
            Goal::AtMostTimes(goal) => Some(format!("ratio <= {goal}")),
            Goal::AtMost(goal) => Some(format!("<= {goal} {}", self.unit)),
            Goal::None => None,
        }
    }

    /// Returns the cells: measure, our value, limit, ratio, goal, and whether the goal is met.
    pub(crate) fn cells(&self) -> [String; 6] {
        let with_unit = |value: f64| format!("{} {}", three_digits(value), self.unit);
        [
            self.measure.clone(),
            with_unit(self.value),
            self.limit.map(with_unit).unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio:.2} ±{:.0} %", self.spread * 50.0)).unwrap_or_default(),
            self.goal().unwrap_or_default(),
            self.is_met().map(|met| if met { "met" } else { "not met" }).unwrap_or_default().to_owned(),
        ]
    }

    pub(crate) fn remark(&self) -> &str {
        &self.note
    }
}

/// Formats a value with three significant digits.
fn three_digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [measure, value, limit, ratio, goal, met] = self.cells();
        write!(f, "{measure:<58} {value:>16} {limit:>16} {ratio:>12}  {goal:<14} {met}")
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Row", 9)?;
        row.serialize_field("measure", &self.measure)?;
        row.serialize_field("value", &self.value)?;
        row.serialize_field("unit", self.unit)?;
        row.serialize_field("limit", &self.limit)?;
        row.serialize_field("ratio", &self.ratio)?;
        row.serialize_field("goal", &self.goal())?;
        row.serialize_field("met", &self.is_met())?;
        row.serialize_field("spread", &self.spread)?;
        row.serialize_field("note", &self.note)?;
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(ours: f64, limit: f64) -> Comparison {
        Comparison::from_rounds(&[(ours, limit)])
    }

    #[test]
    fn a_goal_is_compared_with_the_ratio_or_with_the_value() {
        let met = |ours, goal| Row::comparison("m", "1/s", &comparison(ours, 100.0), goal).is_met();
        assert_eq!(met(90.0, Goal::Ratio(0.9)), Some(true));
        assert_eq!(met(89.0, Goal::Ratio(0.9)), Some(false));
        assert_eq!(met(200.0, Goal::AtMostTimes(2.0)), Some(true));
        assert_eq!(met(201.0, Goal::AtMostTimes(2.0)), Some(false));
        assert_eq!(met(25.0, Goal::AtMost(25.0)), Some(true));
        assert_eq!(met(25.1, Goal::AtMost(25.0)), Some(false));
        assert_eq!(met(1.0, Goal::None), None);
    }

    #[test]
    fn a_row_is_serialized_for_other_programs() {
        let row = Row::comparison("logins", "1/s", &comparison(95.0, 100.0), Goal::Ratio(0.9)).note("of bare hashes");
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "measure": "logins", "value": 95.0, "unit": "1/s", "limit": 100.0, "ratio": 0.95,
                "goal": "ratio >= 0.9", "met": true, "spread": 0.0, "note": "of bare hashes",
            })
        );
    }
}
