//! Many files, of which few are open at once.

use std::sync::Arc;

use vectorizer_vfs::{Access, Directory, File, FilePool, OsDirectory};

const PAGE: usize = 4096;

/// A folder `files` within another, behind a pool of so many handles.
fn pooled(folder: &tempfile::TempDir, limit: usize) -> (Arc<FilePool>, Arc<dyn Directory>) {
    let pool = FilePool::new(limit);
    let directory = OsDirectory::open_with(folder.path().join("files"), Arc::clone(&pool)).unwrap();
    (pool, directory)
}

/// So many new files, each a page of its number, opened.
fn files(directory: &dyn Directory, count: u8) -> Vec<Arc<dyn File>> {
    let open = |number: u8| {
        let name = format!("{number}");
        directory.create(&name).unwrap().write_all_at(&[number; PAGE], 0).unwrap();
        directory.open(&name, Access::ReadDirect).unwrap()
    };
    (0..count).map(open).collect()
}

/// Whether the file reads as the number says.
fn reads_as(file: &dyn File, number: u8) -> bool {
    let mut memory = vec![0; 2 * PAGE];
    let start = (PAGE - memory.as_ptr().addr() % PAGE) % PAGE;
    let page = &mut memory[start..start + PAGE];
    file.read_exact_at(page, 0).unwrap();
    page.iter().all(|byte| *byte == number)
}

#[test]
fn more_files_than_handles_are_read_and_closed_ones_are_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (pool, directory) = pooled(&folder, 7);
    let files = files(&*directory, 40);
    for _ in 0..3 {
        for (file, number) in files.iter().zip(0..) {
            assert!(reads_as(&**file, number));
            assert_eq!(file.len().unwrap(), PAGE as u64);
            assert!((1..=7).contains(&pool.open_handles()));
        }
    }
    drop(files);
    assert_eq!(pool.open_handles(), 0);
}

#[test]
fn a_file_in_use_stays_open_and_the_refusal_names_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (pool, directory) = pooled(&folder, 3);
    let files = files(&*directory, 4);
    let held: Vec<_> = files[..3].iter().map(|file| file.held().unwrap().unwrap()).collect();
    let refusal = files[3].held().unwrap_err();
    assert!(refusal.is_exhausted());
    let text = refusal.to_string();
    assert!(text.contains("all 3 files") && text.contains("ulimit -n"), "{text}");
    assert!((0..).zip(&held).all(|(number, file)| reads_as(&**file, number)));
    drop(held);
    assert!(reads_as(&*files[3], 3));
    assert_eq!(pool.open_handles(), 3);
}

#[test]
fn what_lost_its_name_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let (pool, directory) = pooled(&folder, 4);
    let files = files(&*directory, 12);
    directory.remove("0").unwrap();
    let parent = OsDirectory::open_with(folder.path(), Arc::clone(&pool)).unwrap();
    for round in 0..3 {
        assert!(files.iter().zip(0..).all(|(file, number)| reads_as(&**file, number)), "{round}");
    }
    directory.rename("2", "1").unwrap();
    for round in 0..3 {
        assert!(files.iter().zip(0..).all(|(file, number)| reads_as(&**file, number)), "{round}");
    }
    // More files than handles would have to stay open.
    let refusal = parent.remove_subdirectory("files").unwrap_err();
    assert!(refusal.is_exhausted(), "{refusal}");
    let kept = &files[..4];
    assert!(kept.iter().zip(0..).all(|(file, number)| reads_as(&**file, number)));
    let few = files[..3].to_vec();
    drop(files);
    parent.remove_subdirectory("files").unwrap();
    assert!(few.iter().zip(0..).all(|(file, number)| reads_as(&**file, number)));
}

#[test]
fn many_threads_read_many_files() {
    let folder = tempfile::tempdir().unwrap();
    let (pool, directory) = pooled(&folder, 8);
    let files = files(&*directory, 50);
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (files, pool) = (&files, &pool);
            scope.spawn(move || {
                for step in 0..400_usize {
                    let number = (step * (2 * thread + 7) + thread) % files.len();
                    assert!(reads_as(&*files[number], u8::try_from(number).unwrap()));
                    assert!(pool.open_handles() <= 8);
                }
            });
        }
    });
}
