//! Records of a tree that waits in one configuration or both: how many there are of each kind, until it is decided.

use super::difference::Sample;
use super::side::Gets;

/// Of one processor, those of one trace.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// By what the old configuration does, then by what the new one does.
    cells: [[Cell; 3]; 3],
    /// Whether the tree passes, in each.
    passes: [Option<bool>; 2],
}

/// Records that both treat alike.
#[derive(Debug, Default)]
struct Cell {
    records: u64,
    /// Of these, which would leave in another form.
    changed: u64,
    sample: Option<Box<Sample>>,
}

/// Records whose fate is known.
pub(super) struct Settled {
    /// Whether each configuration sends them.
    pub(super) sent: [bool; 2],
    pub(super) records: u64,
    pub(super) changed: u64,
    pub(super) sample: Option<Box<Sample>>,
}

impl Pending {
    /// Adds a record. `sample` is asked for the first of its kind.
    pub(super) fn add(
        &mut self,
        gets: [Gets; 2],
        changed: bool,
        sample: impl FnOnce() -> Option<Box<Sample>>,
    ) {
        let cell = &mut self.cells[gets[0] as usize][gets[1] as usize];
        cell.records += 1;
        cell.changed += u64::from(changed);
        let better = changed
            && cell
                .sample
                .as_ref()
                .is_some_and(|known| known.changed.is_none());
        if cell.sample.is_none() || better {
            cell.sample = sample();
        }
    }

    /// The tree is decided in one of the configurations.
    pub(super) fn decide(&mut self, side: usize, passes: bool) {
        self.passes[side] = Some(passes);
    }

    /// Whether nothing waits any more.
    pub(super) fn is_decided(&self) -> bool {
        let waits = Gets::Waits as usize;
        let old = self.cells[waits].iter().any(|cell| cell.records > 0);
        let new = self.cells.iter().any(|row| row[waits].records > 0);
        (!old || self.passes[0].is_some()) && (!new || self.passes[1].is_some())
    }

    /// What became of the records. A tree that is not decided does not pass.
    pub(super) fn settle(self) -> impl Iterator<Item = Settled> {
        let passes = self.passes;
        let sent = move |gets: usize, side: usize| match gets {
            gets if gets == Gets::No as usize => false,
            gets if gets == Gets::Yes as usize => true,
            _ => passes[side] == Some(true),
        };
        let rows = self.cells.into_iter().enumerate();
        let cells = rows.flat_map(|(old, row)| {
            let row = row.into_iter().enumerate();
            row.map(move |(new, cell)| ((old, new), cell))
        });
        let cells = cells.filter(|(_, cell)| cell.records > 0);
        cells.map(move |((old, new), cell)| Settled {
            sent: [sent(old, 0), sent(new, 1)],
            records: cell.records,
            changed: cell.changed,
            sample: cell.sample,
        })
    }
}
