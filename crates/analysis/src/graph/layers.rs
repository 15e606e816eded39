//! In which layer each node is.

use std::collections::VecDeque;

/// The layer of each node, from 0: every caller is left of its callees but where a cycle returns, and
/// nodes that nobody calls stand right before the first that they call.
pub fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut callees = vec![Vec::new(); count];
    let mut caller_counts = vec![0_usize; count];
    for &(caller, callee) in edges {
        callees[caller].push(callee);
        caller_counts[callee] += 1;
    }
    for callees in &mut callees {
        callees.sort_unstable();
        callees.dedup();
    }
    let callees = without_cycles(&callees, &caller_counts);
    longest_paths(&callees)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Open,
    Done,
}

/// Drops the edges that return to a node from which one came, walking from where requests come in. Does
/// not recurse.
fn without_cycles(callees: &[Vec<usize>], caller_counts: &[usize]) -> Vec<Vec<usize>> {
    let count = callees.len();
    let mut starts: Vec<usize> = (0..count).collect();
    // Whoever nobody calls is an entry; of a closed circle, whoever calls more than it is called.
    starts.sort_by_key(|&node| {
        let is_called = caller_counts[node] > 0;
        (is_called, caller_counts[node] as i64 - callees[node].len() as i64, node)
    });
    let mut visits = vec![Visit::Not; count];
    let mut kept = vec![Vec::new(); count];
    for start in starts {
        if visits[start] != Visit::Not {
            continue;
        }
        visits[start] = Visit::Open;
        let mut stack = vec![(start, 0)];
        while let Some(top) = stack.last_mut() {
            let (node, next) = *top;
            top.1 += 1;
            let Some(&callee) = callees[node].get(next) else {
                visits[node] = Visit::Done;
                stack.pop();
                continue;
            };
            if visits[callee] == Visit::Open {
                continue;
            }
            kept[node].push(callee);
            if visits[callee] == Visit::Not {
                visits[callee] = Visit::Open;
                stack.push((callee, 0));
            }
        }
    }
    kept
}

fn longest_paths(callees: &[Vec<usize>]) -> Vec<usize> {
    let count = callees.len();
    let mut waiting = vec![0_usize; count];
    for &callee in callees.iter().flatten() {
        waiting[callee] += 1;
    }
    let mut layers = vec![0_usize; count];
    let mut ready: VecDeque<usize> = (0..count).filter(|&node| waiting[node] == 0).collect();
    let entries: Vec<usize> = ready.iter().copied().collect();
    while let Some(node) = ready.pop_front() {
        for &callee in &callees[node] {
            layers[callee] = layers[callee].max(layers[node] + 1);
            waiting[callee] -= 1;
            if waiting[callee] == 0 {
                ready.push_back(callee);
            }
        }
    }
    for entry in entries {
        if let Some(first) = callees[entry].iter().map(|&callee| layers[callee]).min() {
            layers[entry] = first.saturating_sub(1);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches entries far from what they call, and a callee in its caller's layer.
    #[test]
    fn entries_stand_before_what_they_call() {
        assert_eq!(layers(5, &[(0, 1), (1, 2), (2, 3), (4, 3)]), [0, 1, 2, 3, 2]);
        assert_eq!(layers(2, &[]), [0, 0]);
    }

    // Catches a closed circle that is cut at a node that mostly answers.
    #[test]
    fn a_circle_begins_where_most_calls_come_from() {
        assert_eq!(layers(3, &[(0, 1), (1, 0), (1, 2), (2, 0)]), [2, 0, 1]);
    }
}
