//! The program: see [`ganbench::cli`].

fn main() -> std::process::ExitCode {
    ganbench::cli::main()
}
