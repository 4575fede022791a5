//! Where the time of a `run` goes: by the steps of `lazaret`, and by what each program was asked. May touch: the clock.

use crate::error::Outcome;
use crate::launcher::Launcher;
use crate::output::table;
use serde::Serialize;
use std::cell::RefCell;
use wire::Program;
use wire::timing::{Moment, Step, request};

/// The steps of this process, each with the time at which it was done.
#[derive(Debug)]
pub struct Clock {
    called: u64,
    steps: RefCell<Vec<(&'static str, u64)>>,
}

impl Clock {
    /// It begins now.
    pub fn start() -> Self {
        Self {
            called: sys::clock::now(),
            steps: RefCell::default(),
        }
    }

    /// This step is done.
    pub fn done(&self, step: &'static str) {
        self.steps.borrow_mut().push((step, sys::clock::now()));
    }

    /// All of it, with what the launcher tells.
    pub fn told(&self, launcher: &Launcher) -> Outcome<Timing> {
        let moments = launcher.timing()?;
        Ok(timing(self.called, &self.steps.borrow(), &moments))
    }
}

/// One step, in milliseconds since `lazaret` was called.
#[derive(Debug, PartialEq, Serialize)]
pub struct Row {
    /// Who.
    pub program: &'static str,
    /// What it did, or was asked.
    pub step: &'static str,
    /// When it began.
    pub at: f64,
    /// How long it took, if it has an end that is known.
    pub took: Option<f64>,
}

/// One program, in milliseconds.
#[derive(Debug, PartialEq, Serialize)]
pub struct Sum {
    /// Which.
    pub program: &'static str,
    /// How often it was started.
    pub started: usize,
    /// How many requests it was sent.
    pub requests: usize,
    /// How long somebody could wait for its answers: from each request to its answer.
    pub answering: f64,
}

/// Where the time went.
#[derive(Debug, PartialEq, Serialize)]
pub struct Timing {
    /// The steps of `lazaret`, one after the other.
    pub phases: Vec<Row>,
    /// What each program was asked; they work side by side.
    pub requests: Vec<Row>,
    /// By program.
    pub programs: Vec<Sum>,
}

#[allow(clippy::cast_precision_loss, reason = "a nanosecond more or less is not shown")]
fn milliseconds(nanoseconds: u64) -> f64 {
    (nanoseconds as f64 / 1e4).round() / 100.0
}

fn timing(called: u64, steps: &[(&'static str, u64)], moments: &[Moment]) -> Timing {
    let since = |at: u64| milliseconds(at.saturating_sub(called));
    let begins = std::iter::once(called).chain(steps.iter().map(|(_, at)| *at));
    let phases = steps.iter().zip(begins).map(|((step, end), begin)| Row {
        program: Program::Lazaret.name(),
        step,
        at: since(begin),
        took: Some(milliseconds(end.saturating_sub(begin))),
    });
    let mut requests: Vec<Row> = Vec::new();
    // What still has to be answered: the program, its row, and when it was asked.
    let mut open: Vec<(Program, usize, u64)> = Vec::new();
    let mut programs: Vec<Sum> = Vec::new();
    for moment in moments {
        let name = moment.program.name();
        if !programs.iter().any(|s| s.program == name) {
            programs.push(Sum {
                program: name,
                started: 0,
                requests: 0,
                answering: 0.0,
            });
        }
        let Some(sum) = programs.iter_mut().find(|s| s.program == name) else {
            continue;
        };
        let row = |step| Row {
            program: name,
            step,
            at: since(moment.at),
            took: None,
        };
        match moment.step {
            Step::Started => {
                sum.started = sum.started.saturating_add(1);
                open.retain(|(program, ..)| *program != moment.program);
                requests.push(row("is started"));
            }
            Step::Asked(number) => {
                sum.requests = sum.requests.saturating_add(1);
                let (step, answered) = request(moment.program, number).unwrap_or(("?", false));
                if answered {
                    open.push((moment.program, requests.len(), moment.at));
                }
                requests.push(row(step));
            }
            Step::Answered => {
                let first = open.iter().position(|(program, ..)| *program == moment.program);
                let Some((_, row, asked)) = first.map(|first| open.remove(first)) else {
                    continue;
                };
                let took = milliseconds(moment.at.saturating_sub(asked));
                sum.answering += took;
                if let Some(row) = requests.get_mut(row) {
                    row.took = Some(took);
                }
            }
        }
    }
    Timing {
        phases: phases.collect(),
        requests,
        programs,
    }
}

impl Timing {
    /// As three tables.
    pub fn text(&self) -> String {
        let rows = |list: &[Row]| {
            let cells = list.iter().map(|r| {
                let took = r.took.map_or(String::new(), |t| format!("{t:.2}"));
                vec![format!("{:.2}", r.at), took, r.program.to_owned(), r.step.to_owned()]
            });
            table(&["At ms", "Took ms", "Program", "Step"], &cells.collect::<Vec<_>>())
        };
        let sums = self.programs.iter().map(|s| {
            vec![
                s.program.to_owned(),
                s.started.to_string(),
                s.requests.to_string(),
                format!("{:.2}", s.answering),
            ]
        });
        let sums = table(
            &["Program", "Started", "Requests", "Answering ms"],
            &sums.collect::<Vec<_>>(),
        );
        format!("{}\n{}\n{sums}", rows(&self.phases), rows(&self.requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(program: Program, step: Step, at: u64) -> Moment {
        Moment {
            program,
            step,
            at: at.saturating_mul(1_000_000),
        }
    }

    #[test]
    fn each_answer_belongs_to_the_first_request_that_has_none() {
        let moments = [
            moment(Program::Init, Step::Started, 11),
            moment(Program::Init, Step::Asked(0), 12),
            moment(Program::Mountd, Step::Started, 13),
            moment(Program::Mountd, Step::Asked(0), 13),
            moment(Program::Init, Step::Answered, 15),
            moment(Program::Mountd, Step::Answered, 16),
            moment(Program::Init, Step::Asked(2), 17),
            moment(Program::Init, Step::Asked(4), 18),
            moment(Program::Init, Step::Answered, 20),
        ];
        let timing = timing(10_000_000, &[("plan", 11_000_000), ("start", 20_000_000)], &moments);
        let took: Vec<_> = timing.requests.iter().map(|r| (r.step, r.took)).collect();
        assert_eq!(
            took,
            [
                ("is started", None),
                ("Begin", Some(3.0)),
                ("is started", None),
                ("Make", Some(3.0)),
                ("Join", None),
                ("Execute", Some(2.0)),
            ]
        );
        let phases: Vec<_> = timing.phases.iter().map(|r| (r.at, r.took)).collect();
        assert_eq!(phases, [(0.0, Some(1.0)), (1.0, Some(9.0))]);
        assert_eq!((timing.programs[0].requests, timing.programs[0].answering), (3, 5.0));
        assert!(timing.text().contains("Execute"));
    }
}
