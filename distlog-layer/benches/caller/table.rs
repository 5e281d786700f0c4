//! What was measured, for people and as JSON.

use std::io;
use std::path::PathBuf;

use serde_json::json;

use crate::measure::{Cost, Plan};

/// Operations, and for each what it costs by whom; ours first.
#[derive(Default)]
pub(crate) struct Table(Vec<(&'static str, Vec<(String, Cost)>)>);

impl Table {
    /// Measures an operation, if the plan wants it.
    pub(crate) fn measure(
        &mut self,
        plan: &Plan,
        operation: &'static str,
        name: &str,
        measure: impl FnOnce() -> Cost,
    ) {
        if !operation.contains(&plan.word) {
            return;
        }
        let cost = (name.to_owned(), measure());
        match self.0.iter_mut().find(|row| row.0 == operation) {
            Some((_, costs)) => costs.push(cost),
            None => self.0.push((operation, vec![cost])),
        }
    }

    pub(crate) fn print(&self) {
        for (operation, costs) in &self.0 {
            println!(
                "\n{operation:<44} {:>9} {:>7} {:>7}",
                "ns", "allocs", "ratio"
            );
            for (name, cost) in costs {
                let Cost { ns, allocs } = cost;
                let allocs = if allocs.is_nan() {
                    String::new()
                } else {
                    format!("{allocs:.1}")
                };
                let ratio = ratio(costs, cost);
                println!("  {name:<42} {ns:>9.1} {allocs:>7} {ratio:>6.1}×");
            }
        }
    }

    /// Returns where.
    pub(crate) fn write(&self) -> io::Result<PathBuf> {
        let rows: Vec<_> = self
            .0
            .iter()
            .flat_map(|(operation, costs)| {
                costs.iter().map(move |(name, cost)| {
                    json!({
                        "name": format!("{operation}: {name}"),
                        "ns": round(cost.ns),
                        "allocs": round(cost.allocs),
                        "ratio_to_ours": round(ratio(costs, cost)),
                    })
                })
            })
            .collect();
        // The bench's binary is in `target/release/deps`.
        let target = std::env::current_exe()?;
        let target = target.ancestors().nth(3).ok_or(io::ErrorKind::NotFound)?;
        let path = target.join("bench/caller.json");
        std::fs::create_dir_all(target.join("bench"))?;
        std::fs::write(&path, serde_json::to_string_pretty(&rows)?)?;
        Ok(path)
    }
}

/// How much dearer it is than with us.
fn ratio(costs: &[(String, Cost)], cost: &Cost) -> f64 {
    costs
        .first()
        .map_or(f64::NAN, |(_, ours)| cost.ns / ours.ns)
}

/// Not a number is `null` in JSON.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
