//! Tells cargo that the migrations are part of the program, and makes sure that the folder of the
//! built browser application exists, so that the server compiles before it is built.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
    // An empty folder embeds nothing; the server then says how to build the application.
    let _ = std::fs::create_dir_all("../frontend/dist");
    // A debug build reads the files when it is asked for them; another one contains them.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../frontend/dist");
    }
}
