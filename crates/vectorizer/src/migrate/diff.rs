//! The difference of two texts, line by line, as `diff -u` shows it.

/// Lines shown around a change.
const AROUND: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The changed lines with a few around them; empty if nothing differs.
pub(super) fn unified(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let edits = edits(&before, &after);
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
    text
}

/// The shortest way from one text to the other. What they begin and end with alike needs no table.
fn edits<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<(Edit, &'t str)> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (old, new) = (&before[head..], &after[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let keep = |line: &&'t str| (Edit::Keep, *line);
    let ends = before[before.len() - tail..].iter().map(keep);
    before[..head].iter().map(keep).chain(differing(old, new)).chain(ends).collect()
}

/// The same by the table of longest common subsequences.
fn differing<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<(Edit, &'t str)> {
    let (rows, columns) = (before.len(), after.len());
    let mut common = vec![vec![0_u32; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = if before[row] == after[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut edits) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && before[row] == after[column] {
            edits.push((Edit::Keep, before[row]));
            (row, column) = (row + 1, column + 1);
        } else if column == columns
            || (row < rows && common[row + 1][column] >= common[row][column + 1])
        {
            edits.push((Edit::Remove, before[row]));
            row += 1;
        } else {
            edits.push((Edit::Add, after[column]));
            column += 1;
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        let before = "a\nb\nc\nd\ne\nf\ng\n";
        let after = "a\nb\nc\nd\nE\nf\ng\nh\n";
        assert_eq!(unified(before, after), "...\n  c\n  d\n- e\n+ E\n  f\n  g\n+ h\n");
        assert_eq!(unified(before, before), "");
        assert_eq!(unified("", "a\n"), "+ a\n");
        assert_eq!(unified("a\n", ""), "- a\n");
    }
}
