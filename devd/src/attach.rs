//! Puts rules in force on a version 2 group by a BPF program. Touches the group that came with the frame.

use crate::judge::Judged;
use crate::program::encode;
use std::os::fd::{AsFd, BorrowedFd};
use sys::bpf;
use wire::Failure;

/// Loads and attaches the program, then asks the kernel whether it is there.
pub fn attach(rules: &Judged, group: BorrowedFd<'_>) -> Result<(), Failure> {
    let refused = |what: &'static str| move |e| Failure::kernel(what, e as i32);
    let program = bpf::load_device_program(&encode(rules)).map_err(refused("load the device program"))?;
    bpf::attach_device_program(group, program.as_fd()).map_err(refused("attach the device program to the group"))?;
    let id = bpf::program_id(program.as_fd()).map_err(refused("identify the device program"))?;
    let attached = bpf::attached_device_programs(group).map_err(refused("list the group's device programs"))?;
    if attached.contains(&id) {
        Ok(())
    } else {
        Err(Failure::bug(
            "find the device program on the group that it was attached to",
        ))
    }
}
