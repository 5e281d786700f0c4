//! Which partitions a member of a group takes and gives back. Pure: what is there is told.

/// What a member does now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) take: Vec<u16>,
    pub(super) release: Vec<u16>,
}

/// The plan of member `me`. `members` are those that are alive, with `me` among them; `owners` has for each partition
/// the member that has it, if that is alive.
///
/// Each has the same number of partitions, those first by name one more where they do not come out even. Who has too
/// many gives some back, who has too few takes free ones: nobody needs to agree on anything.
pub(super) fn plan(me: &str, members: &[String], owners: &[Option<&str>]) -> Plan {
    let mut sorted: Vec<&str> = members.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let count = sorted.len().max(1);
    let place = sorted
        .iter()
        .position(|member| *member == me)
        .unwrap_or_default();
    let share = owners.len() / count + usize::from(place < owners.len() % count);
    let numbers = || (0..owners.len()).filter_map(|p| u16::try_from(p).ok());
    let owner = |p: &u16| owners[usize::from(*p)];
    let mine: Vec<u16> = numbers().filter(|p| owner(p) == Some(me)).collect();
    if mine.len() > share {
        return Plan {
            take: Vec::new(),
            release: mine[share..].to_vec(),
        };
    }
    // Each begins elsewhere, so that few want the same ones.
    let begin = place * owners.len() / count;
    let mut free: Vec<u16> = numbers().filter(|p| owner(p).is_none()).collect();
    let at = free.partition_point(|p| usize::from(*p) < begin);
    free.rotate_left(at);
    free.truncate(share - mine.len());
    Plan {
        take: free,
        release: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets members act until nobody wants anything; gives who has what, and how often something was done.
    fn settle(members: &[&str], owners: &mut [Option<String>]) -> usize {
        let alive: Vec<String> = members.iter().map(|m| (*m).to_owned()).collect();
        let mut moves = 0;
        for _ in 0..100 {
            let mut idle = true;
            for me in members {
                let view: Vec<Option<&str>> = owners
                    .iter()
                    .map(|owner| owner.as_deref().filter(|owner| members.contains(owner)))
                    .collect();
                let Plan { take, release } = plan(me, &alive, &view);
                idle &= take.is_empty() && release.is_empty();
                moves += take.len() + release.len();
                take.iter()
                    .for_each(|p| owners[usize::from(*p)] = Some((*me).to_owned()));
                release.iter().for_each(|p| owners[usize::from(*p)] = None);
            }
            if idle {
                return moves;
            }
        }
        panic!("they never come to rest: {owners:?}");
    }

    fn counts(members: &[&str], owners: &[Option<String>]) -> Vec<usize> {
        let of = |member: &&str| {
            owners
                .iter()
                .filter(|owner| owner.as_deref() == Some(*member))
                .count()
        };
        members.iter().map(of).collect()
    }

    #[test]
    fn partitions_are_shared_evenly_and_move_when_members_come_and_go() {
        let mut owners = vec![None; 16];
        settle(&["a"], &mut owners);
        assert_eq!(counts(&["a"], &owners), [16]);
        // One comes: half of them move, each given back once and taken once.
        assert_eq!(settle(&["a", "b"], &mut owners), 16);
        assert_eq!(counts(&["a", "b"], &owners), [8, 8]);
        settle(&["a", "b", "c"], &mut owners);
        assert_eq!(counts(&["a", "b", "c"], &owners), [6, 5, 5]);
        // One dies: the others keep what they have.
        let before = owners.clone();
        settle(&["b", "c"], &mut owners);
        assert_eq!(counts(&["b", "c"], &owners), [8, 8]);
        for (before, after) in before.iter().zip(&owners) {
            assert!(before.as_deref() == Some("a") || before == after);
        }
    }

    #[test]
    fn who_is_one_too_many_waits() {
        let mut owners = vec![None; 2];
        settle(&["a", "b", "c"], &mut owners);
        assert_eq!(counts(&["a", "b", "c"], &owners), [1, 1, 0]);
        settle(&["b", "c"], &mut owners);
        assert_eq!(counts(&["b", "c"], &owners), [1, 1]);
    }
}
