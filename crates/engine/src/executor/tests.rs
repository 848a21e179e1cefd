//! Who is served when, with tasks of known length and with threads.

use proptest::prelude::*;

use super::*;

fn queue(collection: u64) -> TaskQueue {
    TaskQueue { tenant: Tenant::system(), collection }
}

/// Serves the next `many` for as long each; whose they were.
fn served(queues: &mut Queues, many: usize) -> Vec<(String, u64)> {
    let next = |_| {
        let (taken, _) = queues.pop().expect("queued");
        queues.charge(&taken, 1_000);
        (taken.tenant.key.to_string(), taken.collection.key)
    };
    (0..many).map(next).collect()
}

fn count(served: &[(String, u64)], tenant: &str, collection: u64) -> usize {
    served.iter().filter(|(of, which)| of == tenant && *which == collection).count()
}

fn pushed(queues: &mut Queues, tenant: &str, collection: u64, many: usize) {
    for _ in 0..many {
        queues.push(&tenant.into(), collection, Box::new(|| ()));
    }
}

#[test]
fn results_come_back() {
    let executor = Executor::start(2, 100).expect("threads");
    let tickets: Vec<_> =
        (0..50).map(|i| executor.spawn(&queue(i % 3), move || i * 2).expect("room")).collect();
    for (i, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait(), Ok(i as u64 * 2));
    }
}

#[test]
fn a_flooding_tenant_waits_behind_itself() {
    let mut queues = Queues::default();
    pushed(&mut queues, "flood", 1, 100);
    served(&mut queues, 10);
    pushed(&mut queues, "neighbour", 2, 1);
    let next = served(&mut queues, 2);
    assert_eq!(count(&next, "neighbour", 2), 1, "it is among the next two: {next:?}");
}

#[test]
fn many_collections_are_no_larger_share() {
    let mut queues = Queues::default();
    for collection in 0..10 {
        pushed(&mut queues, "many", collection, 100);
    }
    pushed(&mut queues, "one", 99, 100);
    let next = served(&mut queues, 100);
    assert_eq!(count(&next, "one", 99), 50);
    for collection in 0..10 {
        assert_eq!(count(&next, "many", collection), 5, "of {collection}");
    }
}

#[test]
fn a_flood_is_refused_and_its_neighbour_is_not() {
    let mut queues = Queues::default();
    pushed(&mut queues, "flood", 1, 8);
    let refused = |queues: &Queues, tenant: &str| queues.check_room(&tenant.into(), 8).err();
    assert_eq!(refused(&queues, "flood"), Some(Overloaded { queued: 8 }));
    assert_eq!(refused(&queues, "neighbour"), None);
    pushed(&mut queues, "neighbour", 2, 4);
    assert_eq!(refused(&queues, "neighbour"), Some(Overloaded { queued: 4 }));
    assert_eq!(refused(&queues, "third"), None);
    served(&mut queues, 8);
    // Four of the flood are left, and the neighbour may have as many.
    pushed(&mut queues, "neighbour", 2, 3);
    assert_eq!(refused(&queues, "neighbour"), None);
}

#[test]
fn who_left_is_forgotten() {
    let mut queues = Queues::default();
    for tenant in 0..50 {
        pushed(&mut queues, &tenant.to_string(), 1, 1);
    }
    served(&mut queues, 50);
    pushed(&mut queues, "stays", 1, 3);
    served(&mut queues, 3);
    assert!(queues.tenants.len() < 5, "{} are known", queues.tenants.len());
}

#[test]
fn a_full_queue_refuses() {
    let executor = Executor::start(1, 0).expect("threads");
    assert_eq!(executor.spawn(&queue(0), || ()).err(), Some(Overloaded { queued: 0 }));
}

#[test]
fn many_tenants_are_bounded_together() {
    let mut queues = Queues::default();
    for round in 0..8 {
        for tenant in 0..100 {
            let tenant: Arc<str> = tenant.to_string().into();
            if queues.check_room(&tenant, 8).is_ok() {
                queues.push(&tenant, 1, Box::new(|| ()));
            }
        }
        assert_eq!(queues.waiting, 16, "in round {round}");
    }
    served(&mut queues, 16);
    assert_eq!(queues.waiting, 0);
}

#[test]
fn who_has_nothing_waiting_is_charged_for_what_runs() {
    let mut queues = Queues::default();
    pushed(&mut queues, "a", 1, 1);
    pushed(&mut queues, "b", 2, 1);
    let (first, _) = queues.pop().expect("queued");
    let (second, _) = queues.pop().expect("queued");
    assert_eq!((&*first.tenant.key, &*second.tenant.key), ("a", "b"));
    queues.charge(&first, 1_000);
    assert_eq!(queues.tenants.len(), 2, "both are remembered");
    queues.charge(&second, 10);
    pushed(&mut queues, "a", 1, 1);
    pushed(&mut queues, "a", 3, 1);
    pushed(&mut queues, "b", 2, 1);
    let next = served(&mut queues, 3);
    let order: Vec<_> = next.iter().map(|(tenant, which)| (&**tenant, *which)).collect();
    assert_eq!(order, [("b", 2), ("a", 3), ("a", 1)], "least served first, of its collections too");
}

#[test]
fn workers_that_are_free_are_shared() {
    let mut queues = Queues::default();
    pushed(&mut queues, "a", 1, 100);
    pushed(&mut queues, "b", 2, 100);
    for taken in [4, 8] {
        let tasks: Vec<_> = (0..taken).filter_map(|_| queues.pop()).collect();
        let of_a = tasks.iter().filter(|(task, _)| &*task.tenant.key == "a").count();
        assert_eq!(of_a, taken / 2);
        for (task, _) in &tasks {
            queues.charge(task, 1_000);
        }
    }
}

/// A tenant whose clients each ask again as soon as they were answered.
#[derive(Debug, Clone)]
struct Clients {
    many: usize,
    shortest: u64,
    longest: u64,
}

fn clients(workers: usize) -> impl Strategy<Value = Clients> {
    (0..40_usize, 0..4_u32, 1..=8_u64).prop_map(move |(more, scale, spread)| {
        let shortest = 10_u64.pow(scale);
        // One of them waits at any time.
        Clients { many: workers + 1 + more, shortest, longest: shortest * spread }
    })
}

/// What runs on a worker.
struct Running {
    since: u64,
    until: u64,
    tenant: usize,
    task: TakenTask,
}

/// The greatest difference of the tenants' services at any time.
fn greatest_difference(workers: usize, tenants: &[Clients], mut seed: u64) -> u64 {
    let mut queues = Queues::default();
    let push = |queues: &mut Queues, tenant: usize| {
        queues.push(&tenant.to_string().into(), 1, Box::new(|| ()));
    };
    for (tenant, clients) in tenants.iter().enumerate() {
        (0..clients.many).for_each(|_| push(&mut queues, tenant));
    }
    let mut start = |queues: &mut Queues, now| {
        let (task, _) = queues.pop()?;
        let tenant: usize = task.tenant.key.parse().expect("a number");
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let Clients { shortest, longest, .. } = tenants[tenant];
        let takes = shortest + (seed >> 33) % (longest - shortest + 1);
        Some(Running { since: now, until: now + takes, tenant, task })
    };
    let mut running: Vec<_> = (0..workers).filter_map(|_| start(&mut queues, 0)).collect();
    let (mut done, mut greatest) = (vec![0; tenants.len()], 0);
    for _ in 0..3_000 {
        let first = (0..running.len()).min_by_key(|at| running[*at].until).expect("all are busy");
        let ended = running.swap_remove(first);
        let now = ended.until;
        done[ended.tenant] += now - ended.since;
        queues.charge(&ended.task, now - ended.since);
        // The worker goes on before the client knows.
        running.extend(start(&mut queues, now));
        push(&mut queues, ended.tenant);
        running.extend((running.len()..workers).filter_map(|_| start(&mut queues, now)));
        let mut services = done.clone();
        for task in &running {
            services[task.tenant] += now - task.since;
        }
        let range = services.iter().max().zip(services.iter().min());
        greatest = greatest.max(range.map_or(0, |(most, least)| most - least));
    }
    greatest
}

#[test]
fn who_has_all_its_searches_running_gets_no_more_than_half() {
    let long = Clients { many: 7, shortest: 100, longest: 100 };
    let short = Clients { many: 100, shortest: 1, longest: 1 };
    let apart = greatest_difference(8, &[long, short], 1);
    assert!(apart <= 800, "{apart}");
}

proptest! {
    /// However long their tasks are.
    #[test]
    fn who_is_always_busy_gets_as_much_as_others(
        (workers, tenants) in (1_usize..9)
            .prop_flat_map(|workers| (Just(workers), prop::collection::vec(clients(workers), 2..5))),
        seed: u64,
    ) {
        let longest = tenants.iter().map(|clients| clients.longest).max().unwrap_or(0);
        let apart = greatest_difference(workers, &tenants, seed);
        prop_assert!(apart <= workers as u64 * longest, "{} apart, of {} each", apart, longest);
    }
}
