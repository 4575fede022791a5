//! What reads untrusted bytes, fed with any bytes: one file for each target, and the list of them. A target runs one input, and panics if
//! what comes of it is not as it must be. May touch: what the targets say of themselves.

pub mod measure;
pub mod mutate;

mod chain;
mod filters;
mod frames;
mod fuse;
mod idmaps;
mod lxc;
mod netlink;
mod networks;
mod plans;
mod policy;
mod state;
mod values;
mod words;
mod xml;

/// Memory is counted for every target.
#[global_allocator]
static COUNTED: sys::counted::Counted = sys::counted::Counted;

/// One target.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its directory in `corpus`.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
    /// The most bytes that an input has: what the reader itself takes, or what is tried.
    pub most: usize,
    /// Bytes that are taken whatever the input: a buffer of a fixed size.
    pub fixed: usize,
}

const fn target_of(name: &'static str, run: fn(&[u8]), most: usize) -> Target {
    Target {
        name,
        run,
        most,
        fixed: 0,
    }
}

const KIB: usize = 1024;
/// The byte that chooses, a header, and the longest payload.
const FRAME: usize = 1 + wire::frame::HEADER + wire::frame::MAX_PAYLOAD;

/// Every target.
pub const TARGETS: &[Target] = &[
    target_of("chain", chain::run, 64 * KIB),
    target_of("filters", filters::run, 64 * KIB),
    target_of("frames_broker", frames::broker, FRAME),
    target_of("frames_cgroupd", frames::cgroupd, FRAME),
    target_of("frames_devd", frames::devd, FRAME),
    target_of("frames_fused", frames::fused, FRAME),
    target_of("frames_idmapd", frames::idmapd, FRAME),
    target_of("frames_init", frames::init, FRAME),
    target_of("frames_launcher", frames::launcher, FRAME),
    target_of("frames_loopd", frames::loopd, FRAME),
    target_of("frames_mountd", frames::mountd, FRAME),
    target_of("frames_netd", frames::netd, FRAME),
    target_of("frames_nsenter", frames::nsenter, FRAME),
    target_of("frames_recordd", frames::recordd, FRAME),
    target_of("frames_supervisor", frames::supervisor, FRAME),
    Target {
        // `fuser` has a buffer for what it reads, which is never written beyond what was read.
        fixed: 16 * KIB * KIB + 4 * KIB,
        ..target_of("fuse", fuse::run, 16 * KIB)
    },
    target_of("idmaps", idmaps::run, 64 * KIB),
    target_of("lxc", lxc::run, 64 * KIB),
    target_of("netlink", netlink::run, 64 * KIB),
    target_of("networks", networks::run, 64 * KIB),
    target_of("policy", policy::run, 64 * KIB),
    target_of("state", state::run, 256 * KIB),
    target_of("values", values::run, 4 * KIB),
    target_of("words", words::run, 4 * KIB),
    target_of("xml", xml::run, 1024 * KIB),
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}
