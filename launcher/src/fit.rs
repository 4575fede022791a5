//! On an ordinary user's host the kernel maps the ids of no files, so that a tree whose files a container's root is to own goes with one block of
//! the user's. Which it is, its owner tells. May touch: the trees of a plan, to look at them.

use crate::claim;
use crate::host::Host;
use crate::judge::{self, Judged, Start, Way};
use crate::open;
use wire::Failure;
use wire::ids::{BLOCK, IdBlock};
use wire::launcher::Opened;

/// Whether a plan's trees go with another block than its own, so that it is to be made for another; refused if a container has that, or if they
/// go with more than one.
pub fn other(host: &Host, start: &Judged<Start>) -> Result<bool, Failure> {
    let start = start.get();
    let mut decided: Option<(IdBlock, &str)> = None;
    if host.user.is_none() || start.container.uid_map != [start.block.range()] {
        return Ok(false);
    }
    for planned in &start.mounts {
        let Opened::Path { path, writable } = &planned.from else {
            continue;
        };
        let (root, below) = match judge::way(&host.policy, &host.named, path.as_str(), *writable)? {
            Way::Below(root, below) => (root, below),
            Way::Named => ("/", path.as_str()),
        };
        let owner = open::place(root, below, true)?.stat.st_uid;
        let Some(block) = block_of(owner, host.policy.first, host.policy.blocks) else {
            continue;
        };
        match decided {
            Some((other, tree)) if other != block => {
                return Err(Failure::caller(&format!(
                    "use both {tree} and {path}: their files have the ids of two containers, and one has just its own"
                )));
            }
            _ => decided = Some((block, path.as_str())),
        }
    }
    match decided {
        Some((block, path)) if block != start.block => {
            if claim::is_free(block)? {
                return Ok(true);
            }
            Err(Failure::caller(&format!(
                "use {path}: its files have the ids of another container, which runs"
            )))
        }
        _ => Ok(false),
    }
}

/// The block in which an id is mapped.
fn block_of(id: u32, first: u32, blocks: u32) -> Option<IdBlock> {
    let number = id.checked_sub(first)?.checked_div(BLOCK)?;
    let block = IdBlock::new(number.checked_mul(BLOCK)?.checked_add(first)?)?;
    (number < blocks && id >= block.root()).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ids::{OWN_FIRST, UNMAPPED};

    #[test]
    fn an_owner_is_of_one_block_or_of_none() {
        let of = |id| block_of(id, OWN_FIRST, 2).map(IdBlock::first);
        assert_eq!(of(0), None);
        assert_eq!(of(OWN_FIRST + UNMAPPED - 1), None);
        assert_eq!(of(OWN_FIRST + UNMAPPED), Some(OWN_FIRST));
        assert_eq!(of(OWN_FIRST + BLOCK - 1), Some(OWN_FIRST));
        assert_eq!(of(OWN_FIRST + BLOCK + UNMAPPED + 7), Some(OWN_FIRST + BLOCK));
        assert_eq!(of(OWN_FIRST + 2 * BLOCK + UNMAPPED), None);
    }
}
