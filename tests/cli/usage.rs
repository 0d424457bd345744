//! What a person sees who does not know larder yet.

use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

#[test]
fn help_names_every_command_and_the_exit_codes() {
    assert_snapshot!(Sandbox::new().show("--help"), @r#"
        exit 0
        --- stdout
        Starts a Compose stack in about the time its containers need: never stale, never rebuilt for nothing

        Usage: larder [OPTIONS] <COMMAND>

        Commands:
          up           Start services, and return when every one is ready
          create       Create containers, and start none
          scale        Change how many containers services have
          plan         Show what `up` would do and why; changes nothing
          fingerprint  Show what each image is keyed by
          why          Show what changed since a service's image was made
          build        Build images, and nothing else
          prewarm      Put the images of all services into a registry, before anybody starts them
          load         Put the images of a bundle onto the engine
          pull         Pull the images that services name
          lock         Write larder.lock, which pins base images to digests
          init         Write Dockerfiles for folders that have none, or a job for continuous integration
          config       Show the resolved Compose model
          export       Write a Compose file that needs no larder: every image pinned, nothing built
          ps           List the project's containers
          ls           List the projects on the engine
          images       List the images that the project's containers were made from
          volumes      List the project's volumes
          events       Show what happens to containers
          logs         Show what containers print
          restart      Restart services, those they depend on first
          stop         Stop services, those that depend on them first
          start        Start services that were stopped, those they depend on first
          kill         Send a signal to services: SIGKILL, where it is not said
          pause        Freeze services
          unpause      Let services go on that were paused
          rm           Remove containers that are stopped
          wait         Wait until services have ended; ends with the code of the last one
          port         Show where ports of a service are published
          top          List the processes in containers
          cp           Copy files between here and a service's containers
          exec         Run a command in a service's container
          attach       Attach to a service's container
          run          Run a command in a container of its own
          down         Stop and remove the project's containers and networks
          gc           Remove images that larder made and nobody needs; without `-f` only show them
          doctor       Look at what larder needs: the engine, builders, registries, disks
          completion   Print what makes a shell complete larder's words
          man          Print the manual page, or write those of all commands

        Options:
          -f, --file <FILE>              A Compose file; more than one are merged in order [env:
                                         COMPOSE_FILE]
          -p, --project-name <NAME>      The project's name, in place of the folder's [env:
                                         COMPOSE_PROJECT_NAME]
              --project-directory <DIR>  The folder that relative paths are read against, in place of the
                                         first file's
              --env-file <FILE>          A file of variables, in place of `.env`
              --profile <NAME>           Switches on the services of a profile [env: COMPOSE_PROFILES]
              --progress <MODE>          How progress is shown: auto, tty, plain, json or quiet
              --builder <BUILDER>        Who builds: auto, dagger or docker [env: LARDER_BUILDER]
              --cache-from <REPOSITORY>  Where images are looked for that are not on the engine; may be
                                         repeated [env: LARDER_CACHE_FROM]
              --cache-to <REPOSITORY>    Where the images that are built are pushed [env: LARDER_CACHE_TO]
              --parallel <N>             How many pulls, builds and starts go on at once [env:
                                         COMPOSE_PARALLEL_LIMIT]
              --frozen                   Take only base images that larder.lock pins [env: LARDER_FROZEN]
          -v, --verbose...               Plain lines, with what Dagger prints and what could not be cached;
                                         twice: all calls to the engine, too
          -h, --help                     Print help
          -V, --version                  Print version

        Exit codes:
            0  everything asked for is done
            1  a service or a build failed
            2  the command line or a Compose file is wrong
            3  the engine, Dagger or a registry is out of reach
           70  larder itself is wrong
          130  interrupted
        "#);
}

#[test]
fn help_of_up() {
    assert_snapshot!(Sandbox::new().show("up --help"), @r#"
        exit 0
        --- stdout
        Start services, and return when every one is ready

        Usage: larder up [OPTIONS] [SERVICE]...

        Arguments:
          [SERVICE]...  The services, with all that they depend on; all of them when none is named

        Options:
          -d, --detach                      Accepted and changes nothing: larder always returns
          -a, --attach                      Follow the logs once every service is ready
              --attach-dependencies         Follow the logs of what the named services depend on, too;
                                            implies `--attach`
              --build                       Accepted and changes nothing: larder always builds what changed
              --no-build                    Fail where an image must be built
              --wait                        Accepted and changes nothing: larder always waits
              --no-wait                     Return when every service is started, ready or not
              --timeout <SECONDS>           Give up when a service takes longer than this to become ready
                                            [alias: --wait-timeout]
              --scale <SERVICE=N>           How many containers a service has, in place of what the file
                                            says
              --no-deps                     Leave out what the named services depend on
              --force-recreate              Replace the containers of the named services (of all, when none
                                            is named) although nothing changed
              --always-recreate-deps        Replace the containers of what the services depend on
              --no-recreate                 Keep containers that are there, whatever changed
          -V, --renew-anon-volumes          Give new containers new anonymous volumes
              --rerun <JOB>                 Run a job again although it is done
              --remove-orphans              Remove containers that other files made under the project's
                                            name, too
          -t, --stop-timeout <SECONDS>      How long a container that is replaced has until it is killed, in
                                            place of its own grace period
              --pull <POLICY>               When images that are only named are pulled: always, missing or
                                            never
              --ports <HOW>                 Host ports: fixed, or auto (free ones in place of taken ones)
                                            [env: LARDER_PORTS]
              --abort-on-container-exit     Follow the logs until a container ends, then stop all; its code
                                            is the exit code. Jobs may end well
              --abort-on-container-failure  The same when one ends with another code than 0
              --exit-code-from <SERVICE>    The service whose container's code is the exit code; implies
                                            `--abort-on-container-exit`
              --no-start                    Create containers and start none
              --quiet-pull                  Accepted and changes nothing: a pull is one line
          -p, --project-name <NAME>         The project's name, in place of the folder's [env:
                                            COMPOSE_PROJECT_NAME]
              --project-directory <DIR>     The folder that relative paths are read against, in place of the
                                            first file's
              --progress <MODE>             How progress is shown: auto, tty, plain, json or quiet
              --builder <BUILDER>           Who builds: auto, dagger or docker [env: LARDER_BUILDER]
              --cache-from <REPOSITORY>     Where images are looked for that are not on the engine; may be
                                            repeated [env: LARDER_CACHE_FROM]
              --cache-to <REPOSITORY>       Where the images that are built are pushed [env:
                                            LARDER_CACHE_TO]
              --parallel <N>                How many pulls, builds and starts go on at once [env:
                                            COMPOSE_PARALLEL_LIMIT]
              --frozen                      Take only base images that larder.lock pins [env: LARDER_FROZEN]
          -h, --help                        Print help
        "#);
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    assert_snapshot!(Sandbox::new().show("upp"), @r#"
        exit 2
        --- stderr
        error: unrecognized subcommand 'upp'

          tip: a similar subcommand exists: 'up'

        Usage: larder [OPTIONS] <COMMAND>

        For more information, try '--help'.
        "#);
}

#[test]
fn an_option_that_is_not_there_is_no_value() {
    assert_snapshot!(Sandbox::new().show("build --no-cache"), @r#"
        exit 2
        --- stderr
        error: unexpected argument '--no-cache' found

        Usage: larder build [OPTIONS] [SERVICE]...

        For more information, try '--help'.
        "#);
    assert_snapshot!(Sandbox::new().show("up --time 5"), @r#"
        exit 2
        --- stderr
        error: unexpected argument '--time' found

          tip: a similar argument exists: '--timeout'

        Usage: larder up --timeout <SECONDS> [SERVICE]...

        For more information, try '--help'.
        "#);
    assert_snapshot!(Sandbox::new().show("--no-cache"), @r#"
        exit 2
        --- stderr
        error: unexpected argument '--no-cache' found

        Usage: larder [OPTIONS] <COMMAND>

        For more information, try '--help'.
        "#);
}

#[test]
fn an_option_for_every_command_is_told_its_place() {
    assert_snapshot!(Sandbox::new().show("up --profile tools"), @r#"
        exit 2
        --- stderr
        error: unexpected argument '--profile' found

          tip: put it before the command

        Usage: larder [OPTIONS] <COMMAND>

        For more information, try '--help'.
        "#);
    assert_snapshot!(Sandbox::new().show("up -f compose.yaml"), @r#"
        exit 2
        --- stderr
        error: unexpected argument '-f' found

          tip: put it before the command

        Usage: larder [OPTIONS] <COMMAND>

        For more information, try '--help'.
        "#);
    for line in [
        "ps -v",
        "stop --file=a.yaml",
        "build --env-file .env",
        "config -fa.yaml",
    ] {
        let shown = Sandbox::new().show(line);
        assert!(
            shown.contains("tip: put it before the command\n"),
            "{shown}"
        );
    }
}

#[test]
fn an_option_with_a_value_it_cannot_have_is_a_usage_error() {
    assert_snapshot!(Sandbox::new().show("up --progress loud"), @r#"
        exit 2
        --- stderr
        error: invalid value 'loud' for '--progress <MODE>'
          [possible values: auto, tty, plain, json, quiet]

        For more information, try '--help'.
        "#);
    assert_snapshot!(Sandbox::new().show("up --timeout 0"), @r#"
        exit 2
        --- stderr
        error: invalid value '0' for '--timeout <SECONDS>': `0` is not a whole number of at least 1

        For more information, try '--help'.
        "#);
    assert_snapshot!(Sandbox::new().show("logs --tail some"), @r#"
        exit 2
        --- stderr
        error: invalid value 'some' for '--tail <N>': `some` is not a whole number of at least 0, and not `all`

        For more information, try '--help'.
        "#);
}

#[test]
fn a_number_that_is_none_is_told_in_words() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}");
    for (line, said) in [
        ("--parallel 0 up", "`0` is not a whole number of at least 1"),
        ("--parallel x up", "`x` is not a whole number of at least 1"),
        (
            "up --timeout abc",
            "`abc` is not a whole number of at least 1",
        ),
        ("up -t 1.5", "`1.5` is not a whole number of at least 0"),
        (
            "up --scale web=x",
            "`x` is not a whole number of at least 0",
        ),
        ("up --scale web", "`web` is not SERVICE=N"),
        ("scale web=-1", "`-1` is not a whole number of at least 0"),
        ("down -t 99999999999", "`99999999999` is too large"),
        ("stop -t 5s", "`5s` is not a whole number of at least 0"),
        ("restart -t x", "`x` is not a whole number of at least 0"),
        ("logs --index 0", "`0` is not a whole number of at least 1"),
        (
            "exec --index x a b",
            "`x` is not a whole number of at least 1",
        ),
        (
            "attach --index x a",
            "`x` is not a whole number of at least 1",
        ),
        (
            "cp --index 0 a:/b c",
            "`0` is not a whole number of at least 1",
        ),
        (
            "port --index x a",
            "`x` is not a whole number of at least 1",
        ),
        ("port a http", "`http` is not a whole number of at least 1"),
        ("port a 70000", "`70000` is too large"),
    ] {
        let shown = sandbox.show(line);
        assert!(shown.starts_with("exit 2\n"), "{line}: {shown}");
        assert!(shown.contains(&format!(": {said}\n")), "{line}: {shown}");
    }
}

#[test]
fn exec_needs_a_command() {
    assert_snapshot!(Sandbox::new().show("exec api"), @r#"
        exit 2
        --- stderr
        error: the following required arguments were not provided:
          <COMMAND>...

        Usage: larder exec <SERVICE> <COMMAND>...

        For more information, try '--help'.
        "#);
}

#[test]
fn a_variable_for_exec_has_a_name() {
    assert_snapshot!(Sandbox::new().show("exec -e =b api env"), @r#"
        exit 2
        --- stderr
        error: invalid value '=b' for '--env <KEY[=VALUE]>': the variable has no name

        For more information, try '--help'.
        "#);
}

#[test]
fn a_builder_from_the_environment_is_named_by_its_variable() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}").env("LARDER_BUILDER", "podman");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: LARDER_BUILDER is `podman`, which is none of `auto`, `dagger`, `docker`
        "#);
}

#[test]
fn variables_of_docker_compose_count_from_the_env_file_where_the_environment_has_none() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}")
        .file(".env", "COMPOSE_PARALLEL_LIMIT=many\n")
        .file("other.env", "COMPOSE_PARALLEL_LIMIT=more\n");
    assert_snapshot!(sandbox.show("up"), @r"
        exit 2
        --- stderr
        error: COMPOSE_PARALLEL_LIMIT is `many`, which is none of the whole numbers
        ");
    let shown = sandbox.show("--env-file other.env up");
    assert!(
        shown.contains("COMPOSE_PARALLEL_LIMIT is `more`"),
        "{shown}"
    );
    // What is typed goes before both, and what the environment has before the file, be it empty.
    let unreachable = "exit 3\n";
    let typed = sandbox.show("up --parallel 3");
    assert!(typed.starts_with(unreachable), "{typed}");
    for value in ["", "2"] {
        let sandbox = Sandbox::with("services: {a: {image: redis}}")
            .file(".env", "COMPOSE_PARALLEL_LIMIT=many\n")
            .env("COMPOSE_PARALLEL_LIMIT", value);
        let shown = sandbox.show("up");
        assert!(shown.starts_with(unreachable), "{shown}");
    }
    // Without a Compose file there is a name at least.
    let named = Sandbox::new().file(".env", "COMPOSE_PROJECT_NAME=hub\n");
    let shown = named.show("ps");
    assert!(shown.starts_with(unreachable), "{shown}");
    let nameless = Sandbox::new().show("ps");
    assert!(nameless.starts_with("exit 2\n"), "{nameless}");
}

#[test]
fn nothing_answers_within_two_seconds() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}");
    let begun = Instant::now();
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 3
        --- stderr
        error: no Docker Engine answers at unix:///nowhere/docker.sock
        caused by: No such file or directory (os error 2)
        hint: is Docker running? `DOCKER_HOST` and `docker context use` say where it is looked for
        "#);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_snapshot!(sandbox.show("ps"), @r#"
        exit 3
        --- stderr
        error: no Docker Engine answers at unix:///nowhere/docker.sock
        caused by: No such file or directory (os error 2)
        hint: is Docker running? `DOCKER_HOST` and `docker context use` say where it is looked for
        "#);
}
