//! The command line: one short file per command, and what they share.
//!
//! `args` what can be typed for every command, `asked` for those that start services, `parse` what was (or what a shell asks of `completion`) · `run` from a command to its exit code · `invocation` what every command
//! starts from · `prepare` load, fingerprint, observe, `decide` the plan · `bases` the images that builds start from, `lock` what pins
//! them, `base_services` those that other services build · `proofs` health checks that passed, `records` what images were
//! made of · `compose_hashes` docker compose's hashes, `compose_question` what it is asked for them · `carry_out` execute with progress on the screen · `dagger` where it is found · `stack` a project's containers
//! by their labels, `one_off` a container for one command, `turn` and `start` what stops and starts them · `taken` host ports that
//! somebody has, `checkouts` projects of one name · `pins` images by their digests, `replace` how files are written · `hold` one command at a
//! time, `rounds` another look where that helps, `stops` one behind what is being stopped · `interrupt` Ctrl-C, `moment` times and `number` numbers as they are typed.

mod afar;
mod args;
mod asked;
mod attach;
mod base_memory;
mod base_services;
mod bases;
mod build;
mod carry_out;
mod checkouts;
mod completion;
mod compose_hashes;
mod compose_question;
mod config;
mod cp;
mod create;
mod dagger;
mod decide;
mod doctor;
mod down;
mod events;
mod exec;
mod explain;
mod export;
mod fingerprint;
mod gc;
mod hold;
mod images;
mod init;
mod interrupt;
mod invocation;
mod kill;
mod load;
mod lock;
mod logs;
mod ls;
mod man;
mod moment;
mod number;
mod offers;
mod one_off;
mod packing;
mod parse;
mod pause;
mod pins;
mod plan;
mod port;
mod prepare;
mod prewarm;
mod proofs;
mod ps;
mod pull;
mod pushes;
mod records;
mod replace;
mod restart;
mod rm;
mod rounds;
mod run;
mod scale;
mod signatures;
mod stack;
mod start;
mod stop;
mod stops;
mod taken;
mod top;
mod turn;
mod until_end;
mod up;
mod volumes;
mod vouched;
mod wait;
mod why;

pub use args::Cli;
pub use parse::parse;
pub use run::run;
