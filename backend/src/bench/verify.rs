//! Whether what was acknowledged is stored, once, and nothing else.

use anyhow::ensure;

use super::load::{State, Supply};
use super::store::Database;
use super::template::Template;

/// What the database has of the requests that were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// All spans.
    pub spans: u64,
    /// Spans that were acknowledged and are not there.
    pub missing: u64,
    /// Spans that are there more than once.
    pub duplicates: u64,
    /// Spans that were refused, or that nobody sent.
    pub unexpected: u64,
}

impl Stored {
    /// Counts. `outcomes` are those of all requests that were taken from `supply`.
    pub async fn count(
        database: &mut Database,
        supply: &Supply,
        outcomes: &[(u64, State)],
    ) -> anyhow::Result<Self> {
        let mut count = Count::new(supply, outcomes);
        database.for_each_trace(|trace, spans, distinct| count.add(trace, spans, distinct)).await?;
        Ok(count.end())
    }

    /// An error that says what is wrong, if something is.
    pub fn ensure_exact(&self) -> anyhow::Result<()> {
        let Self { missing, duplicates, unexpected, .. } = self;
        ensure!(
            *missing + *duplicates + *unexpected == 0,
            "acknowledged but not stored: {missing} spans; stored twice: {duplicates}; stored but refused or \
             never sent: {unexpected}"
        );
        Ok(())
    }
}

struct Count<'a> {
    supply: &'a Supply,
    states: Vec<State>,
    /// Distinct stored spans of each request.
    found: Vec<u64>,
    stored: Stored,
}

impl<'a> Count<'a> {
    fn new(supply: &'a Supply, outcomes: &[(u64, State)]) -> Self {
        // A request without an outcome was under way when its sender ended.
        let mut states = vec![State::Unknown; supply.taken() as usize];
        for (request, state) in outcomes {
            states[*request as usize] = *state;
        }
        let found = vec![0; states.len()];
        Self { supply, states, found, stored: Stored::default() }
    }

    fn add(&mut self, trace: u128, spans: u64, distinct: u64) {
        self.stored.spans += spans;
        self.stored.duplicates += spans - distinct;
        let sent =
            self.supply.ids().trace_number(trace).map(Template::whose).and_then(|(request, trace)| {
                let found = self.found.get_mut(usize::try_from(request).ok()?)?;
                Some((found, self.supply.template(request).trace_spans(trace)?))
            });
        match sent {
            Some((found, sent)) => {
                let known = distinct.min(u64::from(sent));
                *found += known;
                self.stored.unexpected += distinct - known;
            }
            None => self.stored.unexpected += distinct,
        }
    }

    fn end(mut self) -> Stored {
        for (request, (state, found)) in self.states.iter().zip(self.found).enumerate() {
            match state {
                State::Accepted => {
                    self.stored.missing += self.supply.template(request as u64).spans_count() - found;
                }
                State::Refused => self.stored.unexpected += found,
                State::Unknown => {}
            }
        }
        self.stored
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    use super::*;
    use crate::bench::load::tests::taken;

    /// Trace, spans, distinct spans.
    type Rows = Vec<(u128, u64, u64)>;

    /// Spans of each trace of a request, as the database would have them.
    fn traces(supply: &Supply, request: u64) -> Vec<(u128, u64)> {
        let bytes = supply.template(request).stamp(supply.ids(), request, u64::MAX >> 1);
        let mut traces: BTreeMap<u128, u64> = BTreeMap::new();
        for resource in ExportTraceServiceRequest::decode(&bytes[..]).unwrap().resource_spans {
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let id: [u8; 16] = span.trace_id.try_into().unwrap();
                *traces.entry(u128::from_be_bytes(id)).or_default() += 1;
            }
        }
        traces.into_iter().collect()
    }

    /// Catches a check that would not notice: each kind of damage is made and has to be found.
    #[test]
    fn every_kind_of_damage_is_found() {
        let supply = taken(3);
        let outcomes = [(0, State::Accepted), (1, State::Refused), (2, State::Unknown)];
        let stored = |change: &dyn Fn(&mut Rows, &Supply)| {
            let mut rows: Rows =
                traces(&supply, 0).into_iter().map(|(trace, spans)| (trace, spans, spans)).collect();
            change(&mut rows, &supply);
            let mut count = Count::new(&supply, &outcomes);
            for (trace, spans, distinct) in rows {
                count.add(trace, spans, distinct);
            }
            let stored = count.end();
            (stored.missing, stored.duplicates, stored.unexpected, stored.ensure_exact().is_ok())
        };
        assert_eq!(stored(&|_, _| {}), (0, 0, 0, true));
        // One span of an acknowledged trace is gone.
        assert_eq!(
            stored(&|rows, _| rows[1] = (rows[1].0, rows[1].1 - 1, rows[1].2 - 1)),
            (1, 0, 0, false)
        );
        // One is there twice.
        assert_eq!(stored(&|rows, _| rows[1].1 += 1), (0, 1, 0, false));
        // More spans than the trace has, and a trace of somebody else.
        assert_eq!(
            stored(&|rows, _| rows[1] = (rows[1].0, rows[1].1 + 1, rows[1].2 + 1)),
            (0, 0, 1, false)
        );
        assert_eq!(stored(&|rows, _| rows.push((77, 2, 2))), (0, 0, 2, false));
        // Refused and stored all the same; a lost request may be stored.
        let first_of = |request| {
            move |rows: &mut Rows, supply: &Supply| {
                rows.push((traces(supply, request)[0].0, 2, 2));
            }
        };
        assert_eq!(stored(&first_of(1)), (0, 0, 2, false));
        assert_eq!(stored(&first_of(2)), (0, 0, 0, true));
    }
}
