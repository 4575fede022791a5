//! Reads a file again and again, whole, opening it each time, from so many threads, and prints what one read took: nanoseconds of wall time
//! and of the readers' own time on a processor (`/proc/PID/task/TID/schedstat`, Documentation/scheduler/sched-stats.rst), and how many there were.
//!
//! usage: reads FILE READS THREADS

use std::io::Read;

/// Nanoseconds that this thread has had a processor.
fn on_processor() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("read schedstat");
    text.split(' ').next().and_then(|n| n.parse().ok()).expect("schedstat begins with a number")
}

fn read(file: &str, reads: u64) {
    let mut text = Vec::with_capacity(65536);
    for _ in 0..reads {
        text.clear();
        let mut open = std::fs::File::open(file).expect("open the file");
        open.read_to_end(&mut text).expect("read the file");
        assert!(!text.is_empty(), "the file is empty");
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, file, reads, threads] = words.as_slice() else {
        eprintln!("usage: reads FILE READS THREADS");
        std::process::exit(2);
    };
    let (reads, threads) = (reads.parse::<u64>().expect("a number"), threads.parse::<u64>().expect("a number"));
    read(file, 10);
    let spent = std::sync::atomic::AtomicU64::new(0);
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let before = on_processor();
                read(file, reads / threads);
                spent.fetch_add(on_processor() - before, std::sync::atomic::Ordering::Relaxed);
            });
        }
    });
    let done = reads / threads * threads;
    let wall = begun.elapsed().as_nanos() as u64;
    println!("{} {} {done}", wall / done, spent.into_inner() / done);
}
