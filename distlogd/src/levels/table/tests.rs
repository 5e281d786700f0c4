use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const T: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";

fn id(n: u8) -> ProducerId {
    ProducerId::from_bytes([n; 16])
}

fn info(service: &str, process_id: u64) -> ProducerInfo {
    ProducerInfo {
        service: service.to_owned(),
        host: format!("host-{process_id}"),
        process_id,
    }
}

fn service(name: &str, levels: &str) -> Wanted {
    Wanted::Directives(Scope::Service(name.to_owned()), levels.parse().unwrap())
}

fn process(n: u8, levels: &str) -> Wanted {
    Wanted::Directives(Scope::Process(id(n)), levels.parse().unwrap())
}

fn sets(table: &LevelTable, n: u8, service: &str) -> Vec<String> {
    let levels = table.levels_for(1, id(n), service);
    let sets = levels.sets.into_iter();
    sets.map(|set| set.directives.into_owned()).collect()
}

#[test]
fn what_is_said_of_one_process_is_nearer_than_of_its_service() {
    let dir = tempfile::tempdir().unwrap();
    let configured = [("orders".to_owned(), "info".parse().unwrap())];
    let table = LevelTable::open(dir.path(), &configured);
    let before = table.version();
    table.set(process(1, "hyper=off"), HOUR).unwrap();
    table.set(service("orders", "debug"), HOUR).unwrap();
    assert!(table.version() > before);
    assert_eq!(sets(&table, 1, "orders"), ["info", "debug", "hyper=off"]);
    assert_eq!(sets(&table, 2, "orders"), ["info", "debug"]);
    assert_eq!(sets(&table, 3, "billing"), [""; 0]);
    // Set again, they stand in for those before.
    table.set(service("orders", "warn"), HOUR).unwrap();
    assert_eq!(sets(&table, 2, "orders"), ["info", "warn"]);
    let orders = Scope::Service("orders".to_owned());
    assert!(table.clear(Some(&orders)).unwrap());
    assert!(!table.clear(Some(&orders)).unwrap());
    table.configure(&[]);
    assert_eq!(sets(&table, 1, "orders"), ["hyper=off"]);
    assert!(table.clear(None).unwrap());
    assert_eq!(sets(&table, 1, "orders"), [""; 0]);
}

#[test]
fn what_is_set_lasts_over_a_restart_until_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let table = LevelTable::open(dir.path(), &[]);
    let task: TaskId = format!("{T}/1").parse().unwrap();
    table.set(service("orders", "debug"), HOUR).unwrap();
    table
        .set(process(1, "trace"), Duration::from_nanos(1))
        .unwrap();
    table.set(Wanted::Task(task, Level::Debug), HOUR).unwrap();
    let again = LevelTable::open(dir.path(), &[]);
    assert_eq!(sets(&again, 1, "orders"), ["debug"]);
    let levels = again.levels_for(1, id(1), "orders");
    let [raised] = &levels.tasks[..] else {
        panic!("{levels:?}")
    };
    assert_eq!(
        (&*raised.task, raised.level),
        (&*format!("{T}/1"), Level::Debug)
    );
    assert!(raised.left > 0 && raised.left <= HOUR.as_nanos() as u64);
    // What cannot be read is forgotten.
    std::fs::write(dir.path().join("levels"), "{").unwrap();
    assert_eq!(
        sets(&LevelTable::open(dir.path(), &[]), 1, "orders"),
        [""; 0]
    );
}

#[test]
fn it_is_shown_who_applies_what() {
    let dir = tempfile::tempdir().unwrap();
    let table = LevelTable::open(dir.path(), &[]);
    table.set(service("orders", "debug"), HOUR).unwrap();
    table.note(id(1), &info("orders", 11), table.version());
    table.note(id(2), &info("orders", 12), NO_FILTER);
    table.note(id(3), &info("orders", 13), 1);
    table.note(id(4), &info("billing", 14), table.version());
    let shown = table.shown(None);
    let [one] = &shown.overrides[..] else {
        panic!("{shown:?}")
    };
    assert_eq!((one.processes, one.applied, one.without_filter), (3, 1, 1));
    let first = &shown.processes[1];
    assert_eq!((first.process_id, first.levels.as_str()), (11, "debug"));
    assert!(first.applied && first.has_filter && !shown.processes[2].has_filter);
    // Who reads some services only is shown these.
    let billing = Services::new(vec!["billing".to_owned()]);
    let shown = table.shown(Some(&billing));
    assert_eq!((shown.overrides.len(), shown.processes.len()), (0, 1));
    table.forget(id(4));
    assert_eq!(table.shown(Some(&billing)).processes, []);
}

#[test]
fn a_process_is_meant_by_its_number_or_its_producer() {
    let dir = tempfile::tempdir().unwrap();
    let table = LevelTable::open(dir.path(), &[]);
    table.note(id(1), &info("orders", 11), 1);
    table.note(id(2), &info("billing", 11), 1);
    assert_eq!(table.process("11", Some("orders")).unwrap(), id(1));
    assert_eq!(table.process(&id(2).to_string(), None).unwrap(), id(2));
    let several = table.process("11", None).unwrap_err().to_string();
    assert!(several.starts_with("2 processes have that id"), "{several}");
    for (text, service) in [("12", None), ("11", Some("shop")), ("x", None)] {
        let error = table.process(text, service).unwrap_err();
        assert!(matches!(error, SetError::NotConnected(_)), "{error}");
    }
}

#[test]
fn what_rules_raise_is_bounded_said_once_and_never_in_place_of_what_people_set() {
    let dir = tempfile::tempdir().unwrap();
    let table = LevelTable::open(dir.path(), &[]);
    let task = |n: usize, level| Wanted::Task(format!("{T}/{}", n + 1).parse().unwrap(), level);
    let debug = |n| task(n, Level::Debug);
    assert_eq!(table.raise("closer", debug(0), HOUR), Raised::Set);
    let version = table.version();
    assert_eq!(table.raise("closer", debug(0), HOUR), Raised::Known);
    assert_eq!(
        table.raise("other", task(0, Level::Trace), HOUR),
        Raised::Known
    );
    assert_eq!(table.version(), version, "programs do not hear of it");
    // Another level, or an end that is near.
    assert_eq!(
        table.raise("closer", task(0, Level::Trace), HOUR),
        Raised::Set
    );
    assert_eq!(
        table.raise("closer", task(0, Level::Trace), 3 * HOUR),
        Raised::Set
    );

    table.set(debug(1), HOUR).unwrap();
    assert_eq!(
        table.raise("closer", task(1, Level::Trace), HOUR),
        Raised::Known
    );
    (2..=MAX_RAISED).for_each(|n| assert_eq!(table.raise("closer", debug(n), HOUR), Raised::Set));
    assert_eq!(table.raise("closer", debug(99), HOUR), Raised::Full);
    assert_eq!(
        table.raise("closer", service("orders", "debug"), HOUR),
        Raised::Full
    );
    assert_eq!(table.shown(None).overrides.len(), MAX_RAISED + 1);

    // People still can, and a restart knows what they set alone.
    table.set(debug(0), HOUR).unwrap();
    (100..100 + MAX_TASKS - 2).for_each(|n| table.set(debug(n), HOUR).unwrap());
    let again = LevelTable::open(dir.path(), &[]).shown(None).overrides;
    assert_eq!(again.len(), MAX_TASKS);
    assert!(again.iter().all(|one| one.by.is_none()));
}

#[test]
fn there_are_not_more_than_processes_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let table = LevelTable::open(dir.path(), &[]);
    let task = |n: usize| {
        let task: TaskId = format!("{T}/{}", n + 1).parse().unwrap();
        table.set(Wanted::Task(task, Level::Debug), HOUR)
    };
    (0..MAX_TASKS).for_each(|n| task(n).unwrap());
    assert!(matches!(task(MAX_TASKS), Err(SetError::TooMany(_))));
    task(0).unwrap();
    table.set(service("orders", "debug"), HOUR).unwrap();
}
