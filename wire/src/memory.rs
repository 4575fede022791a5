//! How a command's memory is placed on the nodes of the machine (set_mempolicy(2)). Pure.

use serde::{Deserialize, Serialize};

/// Nodes are numbered from 0 to one below this, as libvirt has it.
pub const NODES: usize = 1024;

/// Where memory comes from, where that is not left to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemoryPolicy {
    /// From each of these nodes in turn (`MPOL_INTERLEAVE`).
    Interleave(Vec<u16>),
    /// From this node as long as it has some (`MPOL_PREFERRED`).
    Preferred(u16),
}

impl MemoryPolicy {
    /// The nodes.
    pub fn nodes(&self) -> &[u16] {
        match self {
            Self::Interleave(nodes) => nodes,
            Self::Preferred(node) => core::slice::from_ref(node),
        }
    }

    /// The nodes as the kernel takes them, a bit for each; `None`: there is none, or one that no machine has.
    pub fn mask(&self) -> Option<[u64; NODES / 64]> {
        let mut mask = [0u64; NODES / 64];
        for node in self.nodes() {
            let word = mask.get_mut(usize::from(node / 64))?;
            *word |= 1u64.checked_shl(u32::from(node % 64))?;
        }
        mask.iter().any(|word| *word != 0).then_some(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_a_bit_for_each_node_that_a_machine_can_have() {
        let mask = MemoryPolicy::Interleave(vec![0, 65, 1023]).mask().unwrap();
        assert_eq!((mask[0], mask[1], mask[15]), (1, 2, 1 << 63));
        assert_eq!(MemoryPolicy::Preferred(3).mask().unwrap()[0], 8);
        assert_eq!(MemoryPolicy::Preferred(1024).mask(), None);
        assert_eq!(MemoryPolicy::Interleave(vec![]).mask(), None);
    }

    #[test]
    fn bytes_are_frozen() {
        let bytes = |policy| postcard::to_allocvec(&policy).unwrap();
        assert_eq!(bytes(MemoryPolicy::Interleave(vec![0, 1])), [0, 2, 0, 1]);
        assert_eq!(bytes(MemoryPolicy::Preferred(2)), [1, 2]);
    }
}
