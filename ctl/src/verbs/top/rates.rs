//! From two samples to rates, and to a table of them. Pure.

use crate::options::Column;
use crate::output;
use serde::Serialize;
use std::cmp::Reverse;
use std::time::Duration;

/// What one container has used until some moment. What is counted of a control group is missing where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Its id: another one is another life.
    pub id: u32,
    /// Its state, in virsh's words.
    pub state: &'static str,
    /// Processor time, in nanoseconds.
    pub processor: Option<u64>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Processes and threads, where they are counted.
    pub tasks: Option<u64>,
    /// Bytes read from block devices.
    pub read: Option<u64>,
    /// Bytes written to block devices.
    pub written: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// The highest pressure, in percent.
    pub pressure: Option<f64>,
}

/// What one container used between two samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rates {
    name: String,
    id: u32,
    state: &'static str,
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
    tasks: Option<u64>,
    read_bytes_per_second: Option<u64>,
    written_bytes_per_second: Option<u64>,
    received_bytes_per_second: u64,
    sent_bytes_per_second: u64,
    pressure_percent: Option<f64>,
}

impl Rates {
    /// The rates from one sample to another. Of a container that was not there before, or lived another life, all that it has used counts.
    pub fn between(name: &str, before: Option<&Sample>, after: &Sample, passed: Duration) -> Self {
        let before = before.filter(|b| b.id == after.id);
        let seconds = passed.as_secs_f64().max(0.001);
        let since = |field: fn(&Sample) -> Option<u64>| {
            let used = before.and_then(field).unwrap_or(0);
            field(after).map(|now| now.saturating_sub(used))
        };
        let rate = |field: fn(&Sample) -> Option<u64>| {
            // Far below what a whole number of 64 bits holds.
            since(field).map(|used| (precise(used) / seconds).round() as u64)
        };
        let percent = |used: u64| (precise(used) / seconds / 1e7 * 10.0).round() / 10.0;
        Self {
            name: name.to_owned(),
            id: after.id,
            state: after.state,
            cpu_percent: since(|s| s.processor).map(percent),
            memory_bytes: after.memory,
            tasks: after.tasks,
            read_bytes_per_second: rate(|s| s.read),
            written_bytes_per_second: rate(|s| s.written),
            received_bytes_per_second: rate(|s| Some(s.received)).unwrap_or(0),
            sent_bytes_per_second: rate(|s| Some(s.sent)).unwrap_or(0),
            pressure_percent: after.pressure,
        }
    }
}

/// A count as a number with a point, which is exact up to 2^53.
const fn precise(count: u64) -> f64 {
    count as f64
}

/// Puts the greatest first, or the names in their order; of what is the same, the names decide.
pub fn sorted(rates: &mut [Rates], by: Column) {
    let key = |r: &Rates| match by {
        Column::Cpu => (r.cpu_percent.unwrap_or(0.0) * 10.0).round() as u64,
        Column::Memory => r.memory_bytes.unwrap_or(0),
        Column::Tasks => r.tasks.unwrap_or(0),
        Column::Disk => {
            let written = r.written_bytes_per_second.unwrap_or(0);
            r.read_bytes_per_second.unwrap_or(0).saturating_add(written)
        }
        Column::Network => r.received_bytes_per_second.saturating_add(r.sent_bytes_per_second),
        Column::Name => 0,
    };
    rates.sort_by(|a, b| (Reverse(key(a)), &a.name).cmp(&(Reverse(key(b)), &b.name)));
}

/// Bytes in the largest binary unit of which there is one, with one place behind the point.
fn bytes(count: u64) -> String {
    let mut rest = precise(count);
    for unit in ["", "K", "M", "G", "T"] {
        if rest < 1024.0 {
            return if unit.is_empty() {
                count.to_string()
            } else {
                format!("{rest:.1}{unit}")
            };
        }
        rest /= 1024.0;
    }
    format!("{rest:.1}P")
}

/// The table, and no more than so many lines of it.
pub fn table(rates: &[Rates], most: Option<usize>) -> String {
    let row = |r: &Rates| {
        let none = || "-".to_owned();
        vec![
            r.id.to_string(),
            r.name.clone(),
            r.state.to_owned(),
            r.cpu_percent.map_or_else(none, |p| format!("{p:.1}")),
            r.memory_bytes.map_or_else(none, bytes),
            r.tasks.map_or_else(none, |t| t.to_string()),
            r.read_bytes_per_second.map_or_else(none, bytes),
            r.written_bytes_per_second.map_or_else(none, bytes),
            bytes(r.received_bytes_per_second),
            bytes(r.sent_bytes_per_second),
            r.pressure_percent.map_or_else(none, |p| format!("{p:.1}")),
        ]
    };
    let head = [
        "Id", "Name", "State", "%CPU", "Memory", "Tasks", "Read/s", "Write/s", "Recv/s", "Sent/s", "Pressure",
    ];
    let text = output::table(&head, &rates.iter().map(row).collect::<Vec<_>>());
    let lines = text.lines().take(most.unwrap_or(usize::MAX));
    lines.map(|l| format!("{l}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: u32, processor: u64, read: u64) -> Sample {
        Sample {
            id,
            state: "running",
            processor: Some(processor),
            memory: Some(3 << 20),
            tasks: Some(2),
            read: Some(read),
            written: Some(0),
            received: 0,
            sent: 0,
            pressure: None,
        }
    }

    #[test]
    fn rates_are_of_the_time_that_has_passed() {
        let second = Duration::from_secs(2);
        let rates = Rates::between("a", Some(&sample(1, 0, 100)), &sample(1, 1_000_000_000, 2148), second);
        assert_eq!(
            (rates.cpu_percent, rates.read_bytes_per_second),
            (Some(50.0), Some(1024))
        );
        let other = Rates::between("a", Some(&sample(1, 0, 100)), &sample(2, 1_000_000_000, 2148), second);
        assert_eq!(other.read_bytes_per_second, Some(1074));
        // A counter that went back, as of a group that was made anew.
        assert_eq!(
            Rates::between("a", Some(&sample(1, 9, 9)), &sample(1, 1, 1), second).cpu_percent,
            Some(0.0)
        );
    }

    #[test]
    fn what_nobody_counts_is_no_figure_and_not_zero() {
        let uncounted = Sample {
            processor: None,
            memory: None,
            tasks: None,
            read: None,
            written: None,
            ..sample(1, 0, 0)
        };
        let rates = Rates::between("a", Some(&uncounted), &uncounted, Duration::from_secs(1));
        let json = serde_json::to_value(&rates).unwrap();
        for field in ["cpu_percent", "memory_bytes", "tasks", "read_bytes_per_second"] {
            assert!(json[field].is_null(), "{json}");
        }
        let text = table(&[rates], None);
        assert_eq!(text.split_whitespace().filter(|word| *word == "-").count(), 6, "{text}");
    }

    #[test]
    fn the_greatest_comes_first_and_no_more_lines_than_there_is_room_for() {
        let rates =
            |name: &str, processor| Rates::between(name, None, &sample(1, processor, 0), Duration::from_secs(1));
        let mut all = vec![rates("b", 5), rates("a", 5), rates("c", 900_000_000)];
        sorted(&mut all, Column::Cpu);
        assert_eq!(all.iter().map(|r| r.name.as_str()).collect::<String>(), "cab");
        sorted(&mut all, Column::Name);
        assert_eq!(all.iter().map(|r| r.name.as_str()).collect::<String>(), "abc");
        let text = table(&all, Some(3));
        assert_eq!(text.lines().count(), 3);
        assert!(table(&all, None).contains("90.0   3.0M"), "{}", table(&all, None));
    }

    #[test]
    fn bytes_have_a_unit_from_one_on() {
        assert_eq!(
            [0, 1023, 1024, 1536, 5 << 30].map(bytes),
            ["0", "1023", "1.0K", "1.5K", "5.0G"]
        );
    }
}
