//! `make faults`: every program killed at each of its system calls, and each of them failing with each error. Prints each leak so that it
//! can be run again, and ends in one line that counts.
//! usage: `faults` [POINT...], with POINT as it was printed; POINTS, FROM, PART and ONLY in the environment bound a campaign.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tests::faults::{Operation, Point, Scene, arrange, points, shuffle, sweep};
use tests::yard::Yard;

/// Number of points that are run in the order in which they take the least time.
const BATCH: usize = 500;
/// What takes longer than that is told.
const SLOW: Duration = Duration::from_secs(10);

fn number(variable: &str, default: usize) -> usize {
    let value = std::env::var(variable).unwrap_or_default();
    if value.is_empty() {
        return default;
    }
    value
        .parse()
        .unwrap_or_else(|_| panic!("{variable}={value} is no number"))
}

/// Every scene, or those that ONLY names.
fn scenes() -> Vec<Scene> {
    let only = std::env::var("ONLY").unwrap_or_default();
    if !only.is_empty() {
        return only.split_whitespace().map(|s| s.parse().expect("ONLY")).collect();
    }
    let both = |operation| [false, true].map(|network| Scene { operation, network });
    Operation::ALL.into_iter().flat_map(both).collect()
}

/// `PART=2/3`: the second of three parts.
fn part(points: Vec<Point>) -> Vec<Point> {
    let value = std::env::var("PART").unwrap_or_default();
    if value.is_empty() {
        return points;
    }
    let (which, of) = value.split_once('/').expect("PART=I/N");
    let (which, of): (usize, usize) = (which.parse().expect("PART=I/N"), of.parse().expect("PART=I/N"));
    assert!((1..=of).contains(&which), "PART={value}");
    let own = |(i, _): &(usize, Point)| i % of == which - 1;
    points.into_iter().enumerate().filter(own).map(|(_, p)| p).collect()
}

/// The kills at each half millisecond, and so many of the points, after the first FROM.
fn choose(mut all: Vec<Point>) -> Vec<Point> {
    let (of, from) = (all.len(), number("FROM", 0));
    shuffle(&mut all);
    let mut chosen = if from == 0 { sweep() } else { Vec::new() };
    chosen.extend(all.into_iter().skip(from).take(number("POINTS", 10_000)));
    let chosen = part(chosen);
    println!(
        "{} points, of {of} and the kills of the supervisor at each half millisecond",
        chosen.len()
    );
    chosen
}

fn main() {
    assert!(nix::unistd::geteuid().is_root(), "needs root: run `sudo make faults`");
    let named = std::env::args().skip(1).collect::<Vec<_>>();
    let mut yard = Yard::new();
    let mut chosen = if named.is_empty() {
        let mut all = Vec::new();
        for scene in scenes() {
            let calls = yard.count(scene);
            let found = points(scene, &calls);
            let made: usize = calls.values().map(Vec::len).sum();
            println!(
                "{scene}: {} processes, {made} system calls, {} points",
                calls.len(),
                found.len()
            );
            if std::env::var_os("CALLS").is_some() {
                for ((program, number), made) in &calls {
                    println!("  {}.{number}: {} calls {made:?}", program.name(), made.len());
                }
            }
            all.extend(found);
        }
        choose(all)
    } else {
        named
            .iter()
            .map(|p| p.parse().unwrap_or_else(|e| panic!("{e}")))
            .collect()
    };
    let clean = campaign(&mut yard, &mut chosen);
    // Whoever exits drops nothing.
    drop(yard);
    std::process::exit(i32::from(!clean));
}

/// Runs them; whether none leaked.
fn campaign(yard: &mut Yard, chosen: &mut [Point]) -> bool {
    let began = Instant::now();
    let (mut leaked, mut missed, mut slow) = (0, 0, 0);
    let mut by: BTreeMap<Scene, (usize, usize)> = BTreeMap::new();
    // Whoever ends it early has seen a bit of everything.
    chosen.chunks_mut(BATCH).for_each(arrange);
    for (done, point) in chosen.iter().enumerate() {
        let verdict = yard.run(*point);
        if std::env::var_os("VERBOSE").is_some() {
            println!("{point}: {:?} {}", verdict.struck, verdict.status);
        }
        if verdict.took > SLOW {
            slow += 1;
            println!("SLOW {point}: {:.1} s; {}", verdict.took.as_secs_f64(), verdict.said);
        }
        missed += usize::from(verdict.struck.is_none());
        let row = by.entry(point.scene).or_default();
        row.0 += 1;
        if !verdict.wrong.is_empty() {
            leaked += 1;
            row.1 += 1;
            let call = verdict
                .struck
                .map_or("not reached".into(), |n| format!("system call {n}"));
            println!("LEAK {point} ({call})\n  {}", verdict.wrong.join("\n  "));
            yard.mend();
        }
        if (done + 1) % 100 == 0 {
            println!(
                "{} of {}, {leaked} leaked, {:.0} s",
                done + 1,
                chosen.len(),
                began.elapsed().as_secs_f64()
            );
        }
    }
    for (scene, (run, leaked)) in by {
        println!("  {scene}: {run} points, {leaked} leaked");
    }
    println!(
        "{} points, {leaked} leaked, {slow} took longer than {} s, {missed} not reached, {:.0} s",
        chosen.len(),
        SLOW.as_secs(),
        began.elapsed().as_secs_f64()
    );
    leaked == 0
}
