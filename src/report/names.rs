//! Names cut to the room there is, and still different from each other.

/// `names`, each cut where it does not fit: in the middle, since names mostly differ at their ends;
/// or, where that makes two of them the same, at their beginning, up to where they differ.
pub(super) fn apart(names: &[String], fits: impl Fn(&str) -> bool) -> Vec<String> {
    let cuts: Vec<String> = names.iter().map(|name| cut(name, &fits)).collect();
    let same = |at: usize| {
        let others = names.iter().zip(&cuts).filter(|(_, cut)| **cut == cuts[at]);
        others.map(|(name, _)| name).filter(|name| **name != names[at]).collect::<Vec<_>>()
    };
    let differing = |at: usize| match same(at) {
        others if others.is_empty() => cuts[at].clone(),
        others => cut(&from_difference(&names[at], &others), &fits),
    };
    (0..names.len()).map(differing).collect()
}

/// `name`, or its beginning and its end with a mark that there is more between them.
pub(super) fn cut(name: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(name) {
        return name.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    let shorter = |kept: usize| {
        let (head, tail) = letters.split_at(kept.div_ceil(2));
        let (head, tail): (String, String) =
            (head.iter().collect(), tail[tail.len() - kept / 2..].iter().collect());
        format!("{}…{}", head.trim_end(), tail.trim_start())
    };
    (1..letters.len()).rev().map(shorter).find(|short| fits(short)).unwrap_or_default()
}

/// How much is left of what names have in common, before they differ.
const LEAD: usize = 4;

/// `name` without most of what it begins with as all the others do.
fn from_difference(name: &str, others: &[&String]) -> String {
    let common =
        |other: &&String| name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let common = others.iter().map(common).min().unwrap_or(0).saturating_sub(LEAD);
    let rest: String = name.chars().skip(common).collect();
    if common > 0 { format!("…{}", rest.trim_start()) } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(most: usize, names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        apart(&names, |name| name.chars().count() <= most)
    }

    #[test]
    fn what_fits_stays_and_what_does_not_is_cut_in_the_middle() {
        let names =
            ["2GB", "a plan with a long name · gunicorn", "a plan with a long name · uvicorn"];
        let cuts = ["2GB", "a plan wit…gunicorn", "a plan wit…· uvicorn"];
        assert_eq!(within(20, &names), cuts);
    }

    #[test]
    fn names_that_differ_in_the_middle_are_cut_up_to_there() {
        let names =
            ["the plan of the year 2024 · gunicorn", "the plan of the year 2025 · gunicorn"];
        assert_eq!(within(16, &names), ["…2024 · gunicorn", "…2025 · gunicorn"]);
    }

    #[test]
    fn there_may_be_no_room_at_all() {
        assert_eq!(within(0, &["abc", "abd", ""]), ["", "", ""]);
        assert_eq!(within(2, &["漢字漢字", "b"]), ["漢…", "b"]);
    }
}
