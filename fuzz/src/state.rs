//! State files of `lazaret`'s own: the record of a container, its plan, and how it ended. What is read is written and read again as it was.

use ctl::state::record::{Record, ids, overlap, remains, whole};
use wire::frame::decode;
use wire::launcher::Plan;
use wire::supervisor::{ExitRecord, LoopRecord};

/// Runs one input.
pub fn run(input: &[u8]) {
    // Whichever of the two a file holds, it is not the other.
    let looped = decode::<LoopRecord>(input, 0);
    assert!(decode::<ExitRecord>(input, 0).is_err() || looped.is_err());
    plan(input);
    let Ok(record) = serde_json::from_slice::<Record>(input) else {
        return;
    };
    let text = serde_json::to_vec(&record).expect("a record that was read cannot be written");
    let again: Record = serde_json::from_slice(&text).expect("a record that was written cannot be read");
    assert_eq!(again, record);
    assert!(!record.state().is_empty());
    let _ = (
        record.occupies(),
        record.maps_host_root(),
        record.vanishes(),
        record.ids.iter().any(|r| overlap(&whole(record.block), r)),
    );
}

fn plan(input: &[u8]) {
    let Ok(plan) = serde_json::from_slice::<Plan>(input) else {
        return;
    };
    let _ = remains(&plan);
    assert!(ids(&plan).contains(&whole(plan.block)));
    assert!(!ctl::plan::show::show(&plan, false).is_empty());
}
