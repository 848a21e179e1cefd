//! What was changed in a text, line by line, as `diff -u` shows it.

/// Lines shown around a change.
const AROUND: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The changed lines with a few around them; empty if nothing differs. Each line of `after` says
/// which line of `before` it was, if it was one.
pub(super) fn unified<'t>(
    before: &'t str,
    after: impl Iterator<Item = (Option<usize>, &'t str)>,
) -> String {
    let edits = edits(&before.lines().collect::<Vec<_>>(), after);
    let changed: Vec<usize> = (0..edits.len()).filter(|at| edits[*at].0 != Edit::Keep).collect();
    let near = |at: usize| changed.iter().any(|change| change.abs_diff(at) <= AROUND);
    let mut text = String::new();
    let mut shown = true;
    for (at, (edit, line)) in edits.iter().enumerate() {
        if !near(at) {
            shown = false;
            continue;
        }
        if !shown {
            text.push_str("...\n");
            shown = true;
        }
        text.push_str(match edit {
            Edit::Keep => "  ",
            Edit::Remove => "- ",
            Edit::Add => "+ ",
        });
        text.push_str(line);
        text.push('\n');
    }
    if changed.is_empty() { String::new() } else { text }
}

fn edits<'t>(
    before: &[&'t str],
    after: impl Iterator<Item = (Option<usize>, &'t str)>,
) -> Vec<(Edit, &'t str)> {
    let (mut next, mut edits) = (0, Vec::new());
    for (from, line) in after {
        let Some(from) = from else {
            edits.push((Edit::Add, line));
            continue;
        };
        let removed = before[next..from].iter().map(|line| (Edit::Remove, *line));
        edits.extend(removed);
        if before[from] == line {
            edits.push((Edit::Keep, line));
        } else {
            edits.extend([(Edit::Remove, before[from]), (Edit::Add, line)]);
        }
        next = from + 1;
    }
    edits.extend(before[next..].iter().map(|line| (Edit::Remove, *line)));
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        let before = "a\nb\nc\nd\ne\nf\ng\n";
        let after = [
            (Some(0), "a"),
            (Some(1), "b"),
            (Some(2), "c"),
            (Some(3), "d"),
            (Some(4), "E"),
            (Some(6), "g"),
            (None, "h"),
        ];
        let shown = unified(before, after.into_iter());
        assert_eq!(shown, "...\n  c\n  d\n- e\n+ E\n- f\n  g\n+ h\n");
        assert_eq!(unified("a\n", [(Some(0), "a")].into_iter()), "");
        assert_eq!(unified("", [(None, "a")].into_iter()), "+ a\n");
        assert_eq!(unified("a\n", std::iter::empty()), "- a\n");
    }
}
