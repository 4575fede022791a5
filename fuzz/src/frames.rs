//! The frames of each peer, as they arrive on its socket: the first byte says which of its types is expected, the rest is the frame. What is
//! decoded has one encoding, which is decoded again; its `Message::descriptors` is what its header says; and it survives as JSON too, which
//! is what `lazaret wire` makes of it. What passes a peer's judgement is then taken one step further where that is pure.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use wire::frame::{Message, decode, encode, header};

/// Decodes one frame, with as many descriptors as its header says.
fn frame<M: Message + PartialEq + Debug>(bytes: &[u8]) -> Option<M> {
    let descriptors = header(bytes).ok()?.descriptors;
    let value: M = decode(bytes, descriptors).ok()?;
    assert_eq!(value.descriptors(), descriptors);
    // With any other number the conversation ends.
    assert!(decode::<M>(bytes, descriptors + 1).is_err());
    let again = encode(&value).expect("what was decoded cannot be encoded");
    // Postcard takes a number written with more bytes than it needs, so the bytes may be fewer; the value is the same.
    assert!(again.len() <= bytes.len(), "its encoding is longer than the frame");
    assert_eq!(decode::<M>(&again, descriptors).as_ref(), Ok(&value));
    json(&value);
    Some(value)
}

fn json<M: Serialize + DeserializeOwned + PartialEq + Debug>(value: &M) {
    let text = serde_json::to_string(value).expect("what was decoded cannot be printed");
    let again: M = serde_json::from_str(&text).unwrap_or_else(|e| panic!("what was printed is not read: {e}\n{text}"));
    assert_eq!(&again, value);
}

/// What each type of a peer is tried with, by the first byte.
fn one_of(input: &[u8], tries: &[fn(&[u8])]) {
    if let Some((which, bytes)) = input.split_first()
        && let Some(one) = tries.get(usize::from(*which) % tries.len())
    {
        one(bytes);
    }
}

fn only<M: Message + PartialEq + Debug>(bytes: &[u8]) {
    let _ = frame::<M>(bytes);
}

macro_rules! peer {
    ($name:ident: $($try:expr),*) => {
        /// The frames of this peer.
        pub fn $name(input: &[u8]) {
            one_of(input, &[$($try),*]);
        }
    };
}

peer!(broker: only::<wire::broker::Request>, only::<wire::broker::Reply>);
peer!(cgroupd: only::<wire::cgroupd::Request>, only::<wire::cgroupd::Reply>);
peer!(devd: ruled, only::<wire::devd::Reply>);
peer!(fused: only::<wire::fused::Request>, only::<wire::fused::Reply>);
peer!(idmapd: only::<wire::idmapd::Request>, only::<wire::idmapd::Reply>);
peer!(init: only::<wire::init::Request>, only::<wire::init::Reply>, only::<wire::learn::Told>);
peer!(launcher: launched, only::<wire::launcher::Reply>);
peer!(loopd: only::<wire::loopd::Request>, only::<wire::loopd::Reply>, marked);
peer!(mountd: only::<wire::mountd::Request>, only::<wire::mountd::Reply>);
peer!(netd: networked, only::<wire::netd::Reply>);
peer!(nsenter: only::<wire::nsenter::Request>, only::<wire::nsenter::Reply>);
peer!(recordd: only::<wire::recordd::Request>, only::<wire::recordd::Reply>, record);
peer!(supervisor: only::<wire::supervisor::Request>, only::<wire::supervisor::Reply>, only::<wire::supervisor::Control>,
    only::<wire::supervisor::Report>, only::<wire::supervisor::ExitRecord>,
    only::<wire::supervisor::LoopRecord>);

/// The first bytes of a disk, as `loopd` looks at them: each file system is found once, and by no byte beyond those that it reads.
fn marked(bytes: &[u8]) {
    use loopd::marks::{REACH, found};
    let kinds = found(bytes);
    for (at, kind) in kinds.iter().enumerate() {
        assert!(!kinds[..at].contains(kind), "{kinds:?}");
    }
    let read = &bytes[..bytes.len().min(REACH)];
    assert_eq!(found(read), kinds);
}

/// What `lazaret` asks the launcher: plans are judged, by the policy of a host without a policy file.
fn launched(bytes: &[u8]) {
    use launcher::host::Named;
    use launcher::judge;
    use wire::launcher::Request;
    let (policy, named) = (crate::plans::usual(), Named::default());
    match frame::<Request>(bytes) {
        Some(Request::Start { plan, .. }) => crate::plans::judged(policy, &named, *plan),
        Some(Request::Clear(remains)) => drop(judge::clear(policy, remains)),
        Some(Request::Open(path)) => assert!(judge::named_file(&named, path.as_str()).is_err(), "nothing was named"),
        _ => {}
    }
}

/// What the launcher asks of `netd`: what passes its judgement becomes messages that netlink can carry.
fn networked(bytes: &[u8]) {
    use wire::netd::Request;
    match frame::<Request>(bytes) {
        Some(Request::Protect(firewall)) => {
            let Ok(judged) = netd::judge::firewall(firewall) else {
                return;
            };
            for (phrase, message) in netd::ruleset::ruleset(judged.get(), [2, 0, 0, 0, 0, 1]) {
                let datagram = message.bytes(7).expect("a rule that netlink cannot carry");
                crate::netlink::whole(&datagram);
                assert!(!phrase.is_empty());
            }
        }
        Some(Request::Connect(links)) => {
            let Ok(judged) = netd::judge::links(links) else { return };
            for link in judged.get() {
                let messages = link.addresses.iter().map(|a| netd::request::new_address(3, a));
                let messages = messages.chain(link.routes.iter().map(|r| netd::request::new_route(3, r)));
                for message in messages.chain([netd::request::get_link(&link.host)]) {
                    crate::netlink::whole(&message.bytes(7).expect("a request that netlink cannot carry"));
                }
            }
        }
        _ => {}
    }
}

/// What the launcher asks of `devd`: what passes its judgement becomes a program that allows what some rule allows, and nothing else.
fn ruled(bytes: &[u8]) {
    use wire::devd::Request;
    let Some(Request::Attach(rules)) = frame::<Request>(bytes) else {
        return;
    };
    let Ok(judged) = devd::judge::judge(rules) else { return };
    let (rules, program) = (judged.rules(), devd::program::encode(&judged));
    let numbers = rules
        .iter()
        .take(8)
        .map(|r| (r.major.unwrap_or(7), r.minor.unwrap_or(7)));
    for (major, minor) in numbers
        .chain([(0, 0), (1, 5)])
        .flat_map(|(a, b)| [(a, b), (a, b ^ 1), (a ^ 1, b)])
    {
        for block in [false, true] {
            for wanted in 0..8 {
                let allows = |r: &wire::devd::Rule| {
                    r.block == block
                        && r.major.is_none_or(|n| n == major)
                        && r.minor.is_none_or(|n| n == minor)
                        && (wanted & 1 == 0 || r.make)
                        && (wanted & 2 == 0 || r.read)
                        && (wanted & 4 == 0 || r.write)
                };
                let kind = if block { 1 } else { 2 };
                let found = answers(&program, [wanted << 16 | kind, major, minor]);
                assert_eq!(found == 1, rules.iter().any(allows), "{kind} {wanted} {major}:{minor}");
            }
        }
    }
}

/// What a device program answers (RFC 9669): the operations that `devd` uses, all of 32 bits.
fn answers(program: &[sys::bpf::Instruction], context: [u32; 3]) -> u32 {
    let (mut r, mut at) = ([0u32; 16], 0);
    loop {
        let i = program[at];
        let (to, from, value) = (
            usize::from(i.registers & 15),
            usize::from(i.registers >> 4),
            i.immediate.cast_unsigned(),
        );
        at += 1;
        match i.code {
            0x61 => r[to] = context[usize::try_from(i.offset).unwrap() / 4],
            0x54 => r[to] &= value,
            0x74 => r[to] >>= value,
            0xb4 => r[to] = value,
            0xbc => r[to] = r[from],
            // The kernel takes no jump back.
            0x56 if r[to] != value => at += usize::try_from(i.offset).unwrap(),
            0x56 => {}
            0x95 => return r[0],
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// The body of a record of the log of deeds.
fn record(bytes: &[u8]) {
    use wire::recordd::Record;
    let Some(record) = Record::decode(bytes) else { return };
    let again = record.encode().expect("a record that was read cannot be written");
    assert_eq!(Record::decode(&again).as_ref(), Some(&record));
    json(&record);
}
