//! Which partitions a server reads when others would read some of them too.
//!
//! The broker lets the first writer that comes read a queue, until it leaves: the first server would
//! have all of them. So a server that has more than its fair share leaves some, and the broker gives
//! them to whoever waits longest.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one server reads, of what. Cheap to clone.
#[derive(Clone, Default)]
pub struct Share(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// The partitions that messages arrive from.
    partitions: Mutex<BTreeSet<u8>>,
    /// Servers that read; 0 while that is not known.
    servers: AtomicU32,
}

impl Share {
    /// Messages arrive from the partition.
    pub fn enter(&self, partition: u8) {
        self.partitions().insert(partition);
    }

    /// None do any more.
    pub fn leave(&self, partition: u8) {
        self.partitions().remove(&partition);
    }

    /// So many servers read, this one among them.
    pub fn set_servers(&self, servers: u32) {
        self.0.servers.store(servers, Ordering::Relaxed);
    }

    /// Whether the server should leave the partition, one of `partitions`, to others.
    pub fn is_too_much(&self, partition: u8, partitions: u8) -> bool {
        let servers = self.0.servers.load(Ordering::Relaxed).max(1);
        let fair = u32::from(partitions).div_ceil(servers) as usize;
        self.partitions().iter().skip(fair).any(|read| *read == partition)
    }

    fn partitions(&self) -> MutexGuard<'_, BTreeSet<u8>> {
        self.0.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches servers that keep all, or pass partitions round for ever.
    #[test]
    fn partitions_are_shared_out_and_then_stay() {
        for (partitions, servers) in [(4_u8, 1_u32), (4, 2), (4, 3), (4, 4), (16, 5), (2, 4)] {
            let shares: Vec<Share> = (0..servers).map(|_| Share::default()).collect();
            for share in &shares {
                share.set_servers(servers);
            }
            // Who waits for each partition, the reader first, as the broker sees it.
            let mut queues: Vec<Vec<usize>> =
                (0..partitions).map(|_| (0..shares.len()).collect()).collect();
            for partition in 0..partitions {
                shares[0].enter(partition);
            }
            let mut rounds = 0;
            loop {
                let mut is_stable = true;
                for partition in 0..partitions {
                    let queue = &mut queues[usize::from(partition)];
                    let reader = queue[0];
                    if shares[reader].is_too_much(partition, partitions) {
                        shares[reader].leave(partition);
                        queue.rotate_left(1);
                        shares[queue[0]].enter(partition);
                        is_stable = false;
                    }
                }
                if is_stable {
                    break;
                }
                rounds += 1;
                assert!(rounds <= 2 * servers, "{partitions} partitions on {servers} servers");
            }
            let fair = usize::from(partitions).div_ceil(servers as usize);
            assert!(shares.iter().all(|share| share.partitions().len() <= fair));
        }
    }
}
