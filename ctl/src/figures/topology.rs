//! The processors, nodes and caches of this host, and what is counted of them. Pure.

use serde::Serialize;
use std::collections::BTreeSet;

/// One processor that is online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// Its number.
    pub id: u32,
    /// Its socket.
    pub socket: u32,
    /// Its die, within the socket.
    pub die: u32,
    /// Its core, within the die.
    pub core: u32,
    /// The processors of its core, as the kernel lists them.
    pub siblings: String,
}

/// Pages of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pages {
    /// The size in KiB.
    pub kib: u64,
    /// How many there are.
    pub count: u64,
}

/// One node, with its memory and processors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Its number.
    pub id: u32,
    /// Its memory in KiB.
    pub memory: u64,
    /// What of it is free, in KiB.
    pub free: u64,
    /// Its pages by size: first the plain ones, then the huge.
    pub pages: Vec<Pages>,
    /// How far each node is.
    pub distances: Vec<u32>,
    /// Its processors.
    pub processors: Vec<Processor>,
}

/// One cache that processors share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cache {
    /// Its level.
    pub level: u32,
    /// Its number among those of its level.
    pub id: u32,
    /// `both`, `code` or `data`.
    pub kind: &'static str,
    /// Its size in KiB.
    pub kib: u64,
    /// The processors that share it, as the kernel lists them.
    pub processors: String,
}

/// What is counted of the processors: their number is the product of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Nodes.
    pub nodes: usize,
    /// Sockets of a node.
    pub sockets: usize,
    /// Cores of a socket.
    pub cores: usize,
    /// Threads of a core.
    pub threads: usize,
}

fn distinct<K: Ord>(processors: &[Processor], key: impl Fn(&Processor) -> K) -> usize {
    processors.iter().map(key).collect::<BTreeSet<_>>().len()
}

/// Counts. Where nodes, sockets or cores are not all of one size, all processors are told as cores of one socket, as virsh tells them.
pub fn count(cells: &[Cell]) -> Count {
    let all: Vec<&Cell> = cells.iter().filter(|c| !c.processors.is_empty()).collect();
    let most = |of: &dyn Fn(&Cell) -> usize| all.iter().map(|c| of(c)).max().unwrap_or(1);
    let sockets = most(&|c| distinct(&c.processors, |p| p.socket));
    let of_one =
        |c: &Cell, whole: &dyn Fn(&Processor) -> (u32, u32, u32), part: &dyn Fn(&Processor) -> (u32, u32, u32)| {
            let parts = |p: &Processor| {
                let same: Vec<Processor> = c.processors.iter().filter(|q| whole(q) == whole(p)).cloned().collect();
                distinct(&same, part)
            };
            c.processors.iter().map(parts).max().unwrap_or(1)
        };
    let cores = most(&|c| of_one(c, &|p| (p.socket, 0, 0), &|p| (p.socket, p.die, p.core)));
    let threads = most(&|c| of_one(c, &|p| (p.socket, p.die, p.core), &|p| (p.id, 0, 0)));
    let total = all.iter().map(|c| c.processors.len()).fold(0, usize::saturating_add);
    let product = [all.len(), sockets, cores, threads]
        .into_iter()
        .fold(1, usize::saturating_mul);
    if product == total {
        return Count {
            nodes: all.len(),
            sockets,
            cores,
            threads,
        };
    }
    Count {
        nodes: 1,
        sockets: 1,
        cores: total,
        threads: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(id: u32, processors: &[(u32, u32, u32)]) -> Cell {
        let processors = processors.iter().map(|(id, socket, core)| Processor {
            id: *id,
            socket: *socket,
            die: 0,
            core: *core,
            siblings: id.to_string(),
        });
        Cell {
            id,
            memory: 1,
            free: 1,
            pages: vec![],
            distances: vec![],
            processors: processors.collect(),
        }
    }

    fn counted(cells: &[Cell]) -> [usize; 4] {
        let c = count(cells);
        [c.nodes, c.sockets, c.cores, c.threads]
    }

    #[test]
    fn what_is_counted_multiplies_to_the_processors() {
        assert_eq!(counted(&[cell(0, &[(0, 0, 0), (1, 0, 1)])]), [1, 1, 2, 1]);
        // Two sockets of two cores of two threads, each a node of its own.
        let node = |n: u32| cell(n, &[(0, n, 0), (1, n, 0), (2, n, 1), (3, n, 1)]);
        assert_eq!(counted(&[node(0), node(1)]), [2, 1, 2, 2]);
        // Cores of two sockets have the same numbers.
        assert_eq!(counted(&[cell(0, &[(0, 0, 0), (1, 1, 0)])]), [1, 2, 1, 1]);
        // A node without processors is none of these.
        assert_eq!(counted(&[cell(0, &[(0, 0, 0)]), cell(1, &[])]), [1, 1, 1, 1]);
    }

    #[test]
    fn what_is_not_even_is_one_socket() {
        assert_eq!(counted(&[cell(0, &[(0, 0, 0), (1, 0, 0), (2, 0, 1)])]), [1, 1, 3, 1]);
    }
}
