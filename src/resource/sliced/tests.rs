use super::*;

const MS: u64 = 1_000_000;

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * MS)
}

/// A thread of the one session that there is.
fn thread(number: u32) -> Runner {
    Runner { thread: u64::from(number), session: 0 }
}

/// Starts a task of so many milliseconds, which a process of one thread has to do.
fn start(cores: &mut Sliced, millis: u64, task: u32, process: u32, work: u64) -> bool {
    let work = Span::from_millis(work);
    cores.start(at(millis), (task, process), thread(process), work, false)
}

/// Runs everything to its end: which task is done when, in milliseconds.
fn ends(cores: &mut Sliced) -> Vec<(u32, u64)> {
    let mut ends = Vec::new();
    while cores.next_change() < Time::NEVER {
        let now = cores.next_change();
        if let Some(task) = cores.change(now) {
            ends.push((task, now.as_nanos() / MS));
        }
    }
    ends
}

#[test]
fn what_wakes_up_in_the_middle_of_a_slice_waits_for_its_end_and_else_runs_at_once() {
    let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), None);
    start(&mut cores, 0, 1, 1, 7);
    start(&mut cores, 1, 2, 2, 1);
    assert_eq!(ends(&mut cores), [(2, 3), (1, 8)]);
    start(&mut cores, 12, 1, 1, 7);
    start(&mut cores, 15, 2, 2, 1);
    assert_eq!(ends(&mut cores), [(2, 16), (1, 20)]);
}

#[test]
fn what_wakes_up_in_another_session_waits_for_the_tick() {
    let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), None);
    start(&mut cores, 0, 1, 1, 7);
    let other = Runner { thread: 2, session: 2 };
    cores.start(at(1), (2, 2), other, Span::from_millis(1), false);
    // The slice that 1 has ends at 2, and the core does not look before the tick at 4.
    assert_eq!(ends(&mut cores), [(2, 5), (1, 8)]);
}

#[test]
fn a_thread_that_goes_on_at_once_does_not_give_way_in_between() {
    let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), None);
    start(&mut cores, 0, 1, 1, 1);
    start(&mut cores, 0, 2, 2, 5);
    assert_eq!(cores.change(at(1)), Some(1));
    assert!(!start(&mut cores, 1, 3, 1, 1), "the core is busy with the thread already");
    assert_eq!(ends(&mut cores), [(3, 2), (2, 7)]);
}

#[test]
fn long_tasks_get_fair_shares_and_no_task_runs_on_two_cores() {
    for speed in [1, 2] {
        let mut cores = Sliced::new(2, speed as f64, Span::from_millis(2), None);
        for task in 0..4 {
            start(&mut cores, 0, task, task, 40 * speed);
        }
        // Of two that share a core the one ends a tick before the other.
        assert!(ends(&mut cores).iter().all(|(_, end)| (76..=80).contains(end)));
    }
    let mut fast = Sliced::new(4, 2.0, Span::from_millis(2), None);
    start(&mut fast, 0, 1, 1, 40);
    assert_eq!(ends(&mut fast), [(1, 20)]);
}

#[test]
fn an_idle_core_takes_what_waits_for_another_at_the_next_tick_and_what_wakes_at_once() {
    let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
    for (task, work) in [(0, 20), (1, 5), (2, 20)] {
        start(&mut cores, 0, task, task, work);
    }
    // 2 waits for 0's core; 1 ends at 5, and its core takes over the task that waits there at 8: by
    // then 0 and 2 have had 4 each.
    assert_eq!(ends(&mut cores), [(1, 5), (0, 24), (2, 24)]);
    assert!(start(&mut cores, 30, 0, 0, 9));
    assert!(start(&mut cores, 31, 2, 2, 1), "on the core that is idle");
    assert_eq!(ends(&mut cores), [(2, 32), (0, 39)]);
}

#[test]
fn a_process_wakes_up_on_the_core_it_last_ran_on_whatever_it_does() {
    let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
    start(&mut cores, 0, 1, 1, 1);
    assert_eq!(ends(&mut cores), [(1, 1)]);
    // Core 1 is that of process 1; 4 and 5 are threads of process 0, and wait for each other.
    for (task, process) in [(4, 0), (6, 1), (5, 0)] {
        let work = Span::from_millis(2);
        cores.start(at(2), (task, process), thread(task), work, false);
    }
    assert_eq!(ends(&mut cores), [(4, 4), (6, 4), (5, 6)]);
}

#[test]
fn where_no_core_is_idle_a_thread_wakes_up_on_the_one_that_its_waker_is_about_to_leave() {
    let mut cores = Sliced::new(2, 1.0, Span::from_millis(2), None);
    start(&mut cores, 0, 0, 0, 20);
    start(&mut cores, 0, 1, 1, 5);
    assert_eq!(cores.change(at(5)), Some(1));
    // Core 0 is that of both processes; the first gets the other, the second goes where 0 has had
    // its slice.
    start(&mut cores, 5, 2, 2, 3);
    start(&mut cores, 5, 4, 4, 1);
    assert_eq!(ends(&mut cores), [(4, 6), (2, 8), (0, 21)]);
}

#[test]
fn while_the_cores_stall_nobody_gets_anything_done() {
    let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), None);
    start(&mut cores, 0, 1, 1, 7);
    cores.stall(at(3), Span::from_millis(10));
    start(&mut cores, 5, 2, 2, 1);
    // 2 has the core when 1 has had another slice of nothing, and gets going at 13.
    assert_eq!(ends(&mut cores), [(2, 14), (1, 18)]);
}

#[test]
fn a_core_goes_cold_while_it_is_idle() {
    let (most, over) = (Span::from_millis(8), Span::from_millis(1));
    let cooling = CoreCooling { most, over };
    let mut cores = Sliced::new(1, 1.0, Span::from_millis(2), Some(cooling));
    start(&mut cores, 1_000, 1, 1, 5);
    assert_eq!(ends(&mut cores), [(1, 1_013)]);
    start(&mut cores, 1_013, 2, 2, 5);
    assert_eq!(ends(&mut cores), [(2, 1_018)]);
}

#[test]
fn a_stopped_task_says_what_it_still_needed_and_the_next_begins() {
    for speed in [1, 2] {
        let mut cores = Sliced::new(1, speed as f64, Span::from_millis(2), None);
        start(&mut cores, 0, 1, 1, 5 * speed);
        start(&mut cores, 0, 2, 2, 5 * speed);
        assert_eq!(cores.stop(at(1), 1), Some((Span::from_millis(4 * speed), false)));
        assert_eq!(cores.stop(at(1), 1), None);
        assert_eq!(ends(&mut cores), [(2, 6)]);
    }
}
