//! Starts and ends a network of ours, that is, its bridge, without a container. May touch: `netd`.

use crate::expect;
use crate::host::Host;
use crate::piece::Piece;
use wire::ids::IdBlock;
use wire::netd::{Bridge, Reply, Request};
use wire::{Failure, LinkName, Program};

/// Makes the bridge, which stays.
pub fn start(host: &Host, block: IdBlock, bridge: Bridge) -> Result<(), Failure> {
    let netd: Piece<Request, Reply> = host.piece(Program::Netd, block)?;
    netd.send(&Request::KeepBridge(bridge), &[])?;
    expect!(netd, netd, (Reply::Connected, _) => ());
    Ok(())
}

/// Removes it; it must have no port.
pub fn end(host: &Host, block: IdBlock, bridge: LinkName) -> Result<(), Failure> {
    let netd: Piece<Request, Reply> = host.piece(Program::Netd, block)?;
    netd.send(&Request::EndBridge(bridge.clone()), &[])?;
    let gone = expect!(netd, netd, (Reply::Removed(gone), _) => gone);
    if gone {
        return Ok(());
    }
    Err(Failure::caller(&format!(
        "remove the bridge {bridge}: something is on it"
    )))
}
