//! Sites that memory does not hold.

use super::scenario;

#[test]
fn a_request_that_memory_does_not_hold_is_flagged_and_one_that_holds_none_is_assumed() {
    let text = include_str!("../../../scenarios/2gb-vs-4gb.toml");
    let large = scenario(text, &["endpoint.page.memory=1.5GB"]);
    assert!(
        large.warnings[0].starts_with(
            "plan \"2GB\", server \"gunicorn\": memory runs out with the first request of \
             \"page\", which takes 1.5GB: system "
        ),
        "{:?}",
        large.warnings
    );
    let assumed = |text: &str| {
        let numbers = scenario(text, &[]).numbers;
        numbers.into_iter().any(|it| it.key == "endpoint.*.memory" && it.assumed)
    };
    assert!(!assumed(text));
    let silent: Vec<&str> = text.lines().filter(|line| !is_request_memory(line)).collect();
    assert!(assumed(&silent.join("\n")));
}

/// Whether a line gives an endpoint's memory, which is less than a plan's.
fn is_request_memory(line: &str) -> bool {
    line.starts_with("memory = ") && line.contains("MB")
}

#[test]
fn workers_that_do_not_fit_are_flagged_with_the_arithmetic() {
    let scenario = scenario(
        include_str!("../../../scenarios/too-many-workers.toml"),
        &["database.memory=400MB", "database.connection_memory=0MB"],
    );
    assert_eq!(
        scenario.warnings[0],
        "plan \"1GB\", server \"5 workers\": memory does not hold the workers: \
         system 200MB + postgres 400MB + 5 x worker 200MB = 1.562GB > 1GB"
    );
}
