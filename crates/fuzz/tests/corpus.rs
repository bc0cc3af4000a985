//! Whatever the fuzzer found interesting stays right, and so does whatever was wrong once.

use std::path::Path;

use downbeat_fuzz::TARGETS;

#[test]
fn the_corpus_of_every_target_is_taken() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let folder = corpus.join(name);
        let files = std::fs::read_dir(&folder).expect("every target has a corpus");
        let mut files: Vec<_> = files.map(|file| file.expect("the folder can be read").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            // A failure is that of the file named last.
            println!("{}", file.display());
            target(&std::fs::read(&file).expect("the file can be read"));
        }
    }
}
