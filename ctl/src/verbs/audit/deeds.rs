//! Deeds out of records: an intent and its end are one deed. Pure.

use chain::Item;
use std::collections::BTreeMap;
use wire::recordd::{Caller, Deed, Outcome, Record, Sent, Told};

/// How a deed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its end is not on record: the launcher was killed, or it is being done.
    Open,
    /// It was announced; what came of it is its container's.
    Announced,
    /// It ended, then, so.
    Ended(u64, Outcome),
}

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its number.
    pub id: u64,
    /// When it was asked for, in nanoseconds since 1970.
    pub time: u64,
    /// What.
    pub deed: Deed,
    /// For which container.
    pub container: Option<String>,
    /// Who asked.
    pub by: Caller,
    /// The frame in which it was asked for.
    pub request: Vec<u8>,
    /// What each program was sent for it.
    pub sent: Vec<Sent>,
    /// What the kernel's audit system was told of it, or would have been.
    pub told: Vec<Told>,
    /// How it stands.
    pub standing: Standing,
}

/// Puts intents and ends together.
#[derive(Debug, Default)]
pub struct Deeds {
    open: BTreeMap<u64, Done>,
}

impl Deeds {
    /// The deed that this item completes.
    pub fn see(&mut self, item: &Item, record: Option<Record>) -> Option<Done> {
        let Item::Record(about) = item else { return None };
        let (id, time) = (about.number, about.time);
        match record? {
            Record::Intent {
                deed,
                container,
                by,
                request,
            } => {
                let done = Done {
                    id,
                    time,
                    deed,
                    container: container.map(String::from),
                    by,
                    request: request.0,
                    sent: Vec::new(),
                    told: Vec::new(),
                    standing: Standing::Open,
                };
                self.open.insert(id, done);
                None
            }
            Record::Ended { intent, outcome, sent } => self.open.remove(&intent).map(|done| Done {
                sent,
                standing: Standing::Ended(time, outcome),
                ..done
            }),
            Record::Told {
                intent,
                outcome,
                sent,
                told,
            } => self.open.remove(&intent).map(|done| Done {
                sent,
                told,
                standing: Standing::Ended(time, outcome),
                ..done
            }),
            Record::Rotated { intent } => self.open.remove(&intent).map(|done| Done {
                standing: Standing::Ended(time, Outcome::Done),
                ..done
            }),
            Record::Refused {
                deed,
                container,
                by,
                request,
                why,
            } => Some(Done {
                id,
                time,
                deed,
                container: container.map(String::from),
                by,
                request: request.0,
                sent: Vec::new(),
                told: Vec::new(),
                standing: Standing::Ended(time, Outcome::Refused(why)),
            }),
            Record::Announced { deed, container, by } => Some(Done {
                id,
                time,
                deed,
                container: Some(container.into()),
                by,
                request: Vec::new(),
                sent: Vec::new(),
                told: Vec::new(),
                standing: Standing::Announced,
            }),
        }
    }

    /// Those whose end is not on record.
    pub fn rest(self) -> impl Iterator<Item = Done> {
        self.open.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Bytes;

    fn item(number: u64) -> Item {
        Item::Record(chain::Record {
            number,
            time: number,
            previous: [0; 32],
            head_lost: false,
            torn: 0,
            hash: [0; 32],
            body: Vec::new(),
        })
    }

    fn intent() -> Record {
        Record::Intent {
            deed: Deed::Start,
            container: None,
            by: Caller {
                uid: 0,
                login: None,
                session: None,
                terminal: None,
                pid: 1,
                parent: 0,
            },
            request: Bytes::default(),
        }
    }

    #[test]
    fn an_intent_and_its_end_are_one_deed_whatever_stands_between() {
        let mut deeds = Deeds::default();
        assert!(deeds.see(&item(1), Some(intent())).is_none());
        assert!(deeds.see(&item(2), Some(intent())).is_none());
        let end = |intent| Record::Ended {
            intent,
            outcome: Outcome::Done,
            sent: Vec::new(),
        };
        let done = deeds.see(&item(3), Some(end(1))).unwrap();
        assert_eq!((done.id, done.standing), (1, Standing::Ended(3, Outcome::Done)));
        assert!(deeds.see(&item(4), Some(end(7))).is_none() && deeds.see(&item(5), None).is_none());
        let open: Vec<(u64, Standing)> = deeds.rest().map(|d| (d.id, d.standing)).collect();
        assert_eq!(open, [(2, Standing::Open)]);
    }
}
