//! Every target with its corpus, and with inputs made of it: what was found once cannot come back. Needs nothing but what the programs are
//! built with. One target at a time, since time and memory are those of the whole process.
//!
//! `LAZARET_FUZZ_MILLISECONDS` says how long each target is tried with inputs that are made (1,000); which those are does not change.

use fuzz::measure::{MOST_MEMORY, MOST_TIME, clock, measured};
use fuzz::mutate::{Dice, mutated};
use fuzz::{TARGETS, Target, target};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static ALONE: Mutex<()> = Mutex::new(());

/// The most inputs that are made of one corpus.
const MADE: u32 = 200_000;
/// The most bytes of all corpora together: they are in the tree.
const KEPT: u64 = 400 * 1024;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The inputs of a corpus, in the order of their names.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpora().join(name))
        .unwrap_or_else(|e| panic!("the corpus of {name}: {e}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| (file.clone(), std::fs::read(&file).unwrap()))
        .collect()
}

/// Runs one input, and says which it was if it fails.
fn one(target: &Target, input: &[u8], from: &str) {
    let run = std::panic::catch_unwind(|| measured(target, input));
    if run.is_err() {
        let kept = std::env::temp_dir().join(format!("lazaret-{}-failed", target.name));
        let _ = std::fs::write(&kept, input);
        panic!("{}: fails with {from}, kept as {}", target.name, kept.display());
    }
}

fn tried(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target(name).unwrap();
    let kept = corpus(name);
    assert!(!kept.is_empty(), "{name} has no corpus");
    for (file, input) in &kept {
        assert!(
            input.len() <= target.most,
            "{} is longer than the target takes",
            file.display()
        );
        one(target, input, &file.display().to_string());
    }
    let inputs: Vec<Vec<u8>> = kept.into_iter().map(|(_, input)| input).collect();
    let milliseconds = std::env::var("LAZARET_FUZZ_MILLISECONDS").map_or(1000, |n| n.parse().unwrap());
    let end = Instant::now() + Duration::from_millis(milliseconds);
    let mut dice = Dice::new(7);
    let mut made = 0;
    while made < MADE && Instant::now() < end {
        let input = mutated(&mut dice, &inputs, target.most);
        one(target, &input, &format!("input {made} of those that are made"));
        made += 1;
    }
    println!("{name}: {} inputs of the corpus, {made} made of them", inputs.len());
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                tried(stringify!($name));
            }
        )*

        #[test]
        fn each_target_has_a_test_and_a_corpus() {
            let tested = BTreeSet::from([$(stringify!($name)),*]);
            let known: BTreeSet<&str> = TARGETS.iter().map(|t| t.name).collect();
            assert_eq!(tested, known);
            let names = std::fs::read_dir(corpora()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            let kept: BTreeSet<String> = names.collect();
            assert_eq!(kept, known.into_iter().map(str::to_owned).collect());
        }
    };
}

targets! {
    chain filters frames_broker frames_cgroupd frames_devd frames_fused frames_idmapd frames_init frames_launcher frames_loopd frames_mountd
    frames_netd frames_nsenter frames_recordd frames_supervisor fuse idmaps lxc netlink networks policy state values words xml
}

#[test]
fn corpora_stay_small() {
    let all = TARGETS.iter().flat_map(|t| corpus(t.name));
    let bytes: u64 = all.map(|(_, input)| u64::try_from(input.len()).unwrap()).sum();
    assert!(bytes <= KEPT, "{bytes} bytes of corpora");
}

fn probe(run: fn(&[u8])) -> Target {
    Target {
        name: "probe",
        run,
        most: 1,
        fixed: 0,
    }
}

/// Whether the limits find something in this.
fn found(run: fn(&[u8])) -> bool {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    std::panic::catch_unwind(move || measured(&probe(run), b"")).is_err()
}

#[test]
fn what_takes_too_much_memory_or_time_is_found() {
    assert!(found(|_| drop(std::hint::black_box(vec![1u8; MOST_MEMORY + 1]))));
    assert!(!found(|_| drop(std::hint::black_box(vec![1u8; MOST_MEMORY / 2]))));
    assert!(found(|_| {
        let end = clock() + 2 * MOST_TIME;
        while clock() < end {}
    }));
    assert!(found(|_| panic!("found")));
}

#[test]
fn the_same_inputs_are_made_every_time() {
    let inputs = [b"one".to_vec(), b"another".to_vec()];
    let some = || {
        let mut dice = Dice::new(7);
        (0..1000).map(|_| mutated(&mut dice, &inputs, 64)).collect::<Vec<_>>()
    };
    let made = some();
    assert_eq!(made, some());
    assert!(
        made.iter().collect::<BTreeSet<_>>().len() > 500,
        "most of them are the same"
    );
    assert!(made.iter().all(|input| input.len() <= 64));
}
