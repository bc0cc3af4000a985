//! `train_cubes OUT RECORDING...`: fits `assets/models/cubes.bin` to recordings (11 and 12; 13 and 14 are scored).

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, recordings @ ..] = &args[..] else {
        eprintln!("usage: train_cubes OUT RECORDING...");
        return ExitCode::from(2);
    };
    let recordings: Vec<_> = recordings.iter().map(Path::new).collect();
    let model = downbeat_benches::cubes::train_cubes(&recordings).map_err(|error| error.to_string());
    if let Err(error) = model.and_then(|bytes| std::fs::write(out, bytes).map_err(|error| error.to_string())) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
